import { MEDIA_TYPE } from '@asof/client'
import type { Content, OpenApi, Operation, Schema } from './document.ts'

/** An operation of a document, as a page shows it. */
export interface ShownOperation {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly summary: string
  readonly description: string
  /** `read`, `write`, or nothing where no token is asked for. */
  readonly scope: string
  readonly parameters: readonly ShownField[]
  readonly bodyTypes: readonly string[]
  readonly body: readonly ShownField[]
  readonly answer: readonly ShownField[]
  readonly statuses: readonly string[]
  /** A command line that asks it. */
  readonly curl: string
}

/** A parameter or a property. */
export interface ShownField {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly description: string
}

/** The operations of a document by section, in the document's order. */
export function shownOperations(document: OpenApi): readonly {
  readonly tag: string
  readonly description: string
  readonly operations: readonly ShownOperation[]
}[] {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  return document.tags
    .map(({ name, description }) => ({
      tag: name,
      description,
      operations: all
        .filter(({ operation }) => operation.tags.includes(name))
        .map(({ path, method, operation }) => shown(path, method.toUpperCase(), operation)),
    }))
    .filter(({ operations }) => operations.length > 0)
}

function shown(path: string, method: string, operation: Operation): ShownOperation {
  const content = operation.requestBody?.content ?? {}
  const done = operation.responses['200']
  const answer = done !== undefined && 'content' in done ? done.content?.[MEDIA_TYPE.json]?.schema : undefined
  return {
    id: operation.operationId,
    method,
    path,
    summary: operation.summary,
    description: operation.description ?? '',
    scope: operation['x-asof-scope'] ?? '',
    parameters: (operation.parameters ?? []).map(({ name, in: place, required, description, schema }) => ({
      name: `${name} (${place})`,
      type: typeText(schema),
      required,
      description: description ?? '',
    })),
    bodyTypes: Object.keys(content),
    body: fieldsOf(content[MEDIA_TYPE.json]?.schema),
    answer: fieldsOf(answer),
    statuses: Object.keys(operation.responses).sort(),
    curl: curlOf(path, method, content),
  }
}

function curlOf(path: string, method: string, content: Content): string {
  const url = `http://127.0.0.1:8700${path.replaceAll(/[{}]/g, '')}`
  const example = content[MEDIA_TYPE.json]?.example
  if (method === 'GET') return `curl -s ${url}`
  if (example === undefined) return `curl -s -X ${method} ${url}`
  return `curl -s ${url} -H 'content-type: application/json' -d '${JSON.stringify(example)}'`
}

function fieldsOf(schema: Schema | undefined): readonly ShownField[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name,
    type: typeText(property),
    required: schema?.required?.includes(name) === true,
    description: property.description ?? '',
  }))
}

/** A schema in a few words. */
function typeText(schema: Schema): string {
  const { type, items, enum: words } = schema
  if (words !== undefined) return words.map((word) => JSON.stringify(word)).join(' or ')
  if (schema['oneOf'] !== undefined) return (schema['oneOf'] as readonly Schema[]).map(typeText).join(' or ')
  if (type === 'array') return items === undefined ? 'array' : `array of ${typeText(items)}`
  if (type === 'string' && schema.format !== undefined) return `${type} (${schema.format})`
  return Array.isArray(type) ? type.join(' or ') : ((type as string | undefined) ?? 'any')
}
