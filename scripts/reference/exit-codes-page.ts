import { AsofError, HTTP_STATUS, type ErrorKind } from '@asof/core'
import { EXIT_CODE_MEANINGS } from '../../packages/cli/src/reference-page.ts'
import { STATUS_TITLES } from '../../packages/server/src/problem.ts'
import type { CataloguedError } from './error-catalogue.ts'
import { httpStatus } from './errors-page.ts'
import { codeCell, markdownTable } from './markdown-table.ts'

/** The reference of exit codes and HTTP statuses as Markdown: both are functions of an error's kind. */
export function exitCodesPage(errors: readonly CataloguedError[]): string {
  const special = errors.flatMap((error) => {
    const status = httpStatus(error)
    return status === undefined || status === HTTP_STATUS[error.kind as ErrorKind]
      ? []
      : [{ ...error, status }]
  })
  return `${[
    '# Exit codes and HTTP statuses',
    '',
    'Each error is of one [kind](errors.md), which decides how a command ends, what the server answers and whether trying again can help.',
    'Exit codes and kinds are stable across releases.',
    '',
    ...markdownTable(['>exit', 'kind', '>HTTP', 'again', 'meaning'], EXIT_CODE_MEANINGS.map(rowOf)),
    '',
    'HTTP clients may repeat a request that was answered with 503 or 429 after the seconds that `Retry-After` names; a push under its',
    '`(producer, sequence)` is never doubled by that.',
    '',
    '## Codes with an HTTP status of their own',
    '',
    ...markdownTable(
      ['>HTTP', '', 'code', 'kind'],
      special
        .sort((a, b) => a.status - b.status)
        .map(({ status, code, kind }) => [
          String(status),
          STATUS_TITLES[status] ?? '',
          codeCell(code),
          codeCell(kind),
        ]),
    ),
  ].join('\n')}\n`
}

function rowOf([exit, kind, meaning]: (typeof EXIT_CODE_MEANINGS)[number]): string[] {
  if (kind === '') return [String(exit), '', '', '', meaning]
  const { retryable } = new AsofError(kind as ErrorKind, 'any', '')
  return [
    String(exit),
    codeCell(kind),
    String(HTTP_STATUS[kind as ErrorKind]),
    retryable ? 'yes' : '',
    meaning,
  ]
}
