import type { OpenApi } from './document.ts'
import { shownOperations, type ShownField, type ShownOperation } from './operations.ts'

/** The reference of the HTTP interface as Markdown, made from its OpenAPI document. */
export function httpReference(document: OpenApi): string {
  const sections = shownOperations(document)
  return `${[
    '# The HTTP interface',
    '',
    'Made from the OpenAPI document of the server, which it serves at `/openapi.json` and shows at `/docs`.',
    '',
    document.info.description,
    '',
    '| | |',
    '|---|---|',
    ...sections.flatMap(({ operations }) =>
      operations.map(
        ({ method, path, summary, id }) => `| [\`${method} ${path}\`](#${id.toLowerCase()}) | ${summary} |`,
      ),
    ),
    ...sections.flatMap(({ description, operations }) => [
      '',
      `## ${description.replace(/\.$/, '')}`,
      ...operations.flatMap(operationText),
    ]),
    '',
    '## Statuses',
    '',
    '| status | when |',
    '|---:|---|',
    ...statuses(document),
  ].join('\n')}\n`
}

function operationText(operation: ShownOperation): string[] {
  const { id, method, path, summary, description, scope, bodyTypes } = operation
  return [
    '',
    `### ${id}`,
    '',
    `\`${method} ${path}\`: ${summary.toLowerCase()}. ${description}`.trim(),
    '',
    scope === '' ? 'Needs no token.' : `Needs a token that may ${scope}, where the server asks for tokens.`,
    ...table('parameter', operation.parameters),
    ...(bodyTypes.length === 0 ? [] : ['', `Body: ${bodyTypes.map((type) => `\`${type}\``).join(', ')}`]),
    ...table('body', operation.body),
    ...table('answer', operation.answer),
    '',
    `Statuses: ${operation.statuses.join(', ')}`,
    '',
    '```sh',
    operation.curl,
    '```',
  ]
}

function table(title: string, fields: readonly ShownField[]): string[] {
  if (fields.length === 0) return []
  return [
    '',
    `| ${title} | type | |`,
    '|---|---|---|',
    ...fields.map(
      ({ name, type, required, description }) =>
        `| \`${name}\`${required ? ' *' : ''} | ${type.replaceAll('|', '\\|')} | ${description.replaceAll('|', '\\|')} |`,
    ),
  ]
}

function statuses(document: OpenApi): string[] {
  const { responses } = document.components as { responses: Record<string, { description: string }> }
  return Object.entries(responses).map(
    ([name, { description }]) => `| ${name.slice('Problem'.length)} | ${description} |`,
  )
}
