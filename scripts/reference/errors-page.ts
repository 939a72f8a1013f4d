import { AsofError, EXIT_CODES, type ErrorKind } from '@asof/core'
import { statusOf } from '../../packages/server/src/problem.ts'
import { HINTS } from '../../packages/cli/src/report-error.ts'
import type { CataloguedError } from './error-catalogue.ts'
import { codeCell, markdownTable, plainCell } from './markdown-table.ts'

/** Packages whose errors no server answers with. */
const NOT_OVER_HTTP = new Set(['asof', '@asof/client'])

/** The reference of all errors as Markdown. */
export function errorsPage(errors: readonly CataloguedError[]): string {
  return `${[
    '# Errors',
    '',
    'Every error is an `AsofError` with a `kind`, a `code`, a message, `retryable` and `details`. The code is stable across releases, and',
    'programs may branch on it; the message is for people: it says what to do and ends in its values, which `details` holds by name. The',
    'kind decides the [exit code](exit-codes.md) of the command line and, with a few codes that HTTP has a status of its own for, the',
    'HTTP status.',
    '',
    'The feature server answers an error as a problem document (RFC 9457, `application/problem+json`) whose `type` is',
    '`urn:asof:problem:CODE`, with the same `kind`, `code`, `retryable` and `details`; the client makes the same `AsofError` of it. What',
    'failed inside the server (the kinds `internal` and `corrupt`) is told by its code alone: its log says the rest.',
    '',
    'In the texts `…` stands for what is known only then. Where the same call may succeed later, *again* is yes.',
    '',
    ...markdownTable(
      ['code', 'kind', '>HTTP', '>exit', 'again', 'what it says', 'made by'],
      errors.map(rowOf),
    ),
  ].join('\n')}\n`
}

/** The HTTP status of an error; undefined where no server answers with it. */
export function httpStatus({ code, kind, packages }: CataloguedError): number | undefined {
  if (packages.every((name) => NOT_OVER_HTTP.has(name))) return undefined
  return statusOf(new AsofError(kind as ErrorKind, code, ''))
}

function rowOf(error: CataloguedError): string[] {
  const { code, kind, retryable, texts, packages } = error
  const hint = HINTS[code]
  const says = [
    ...texts.map(plainCell),
    ...(hint === undefined ? [] : [`*on the command line:* ${plainCell(hint)}`]),
  ]
  return [
    codeCell(code),
    codeCell(kind),
    String(httpStatus(error) ?? ''),
    String(code === 'interrupted' ? 130 : EXIT_CODES[kind as ErrorKind]),
    retryable === undefined ? 'it says' : retryable ? 'yes' : '',
    says.join('<br>'),
    packages.map(codeCell).join(', '),
  ]
}
