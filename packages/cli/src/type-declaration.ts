import { shapeOf, type FeatureType, type ScalarType, type ServiceShape, type Snapshot } from '@asof/core'

/**
 * The services of a project as a declaration file, for programs that do not import its definitions: what `connect<Services>(url)`
 * of the client takes.
 *
 * @example
 * ```ts
 * const declaration = typeDeclaration(await store.snapshot())
 * declaration.includes('delay_mean: number | null') // true
 * ```
 */
export function typeDeclaration(snapshot: Snapshot): string {
  const services = [...snapshot.services.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const lines = [
    `// The services of the project ${snapshot.project}, made by \`asof types\`. Do not edit: make it again when definitions change.`,
    '//',
    "//   import { connect } from '@asof/client'",
    "//   import type { Services } from './asof.d.ts'",
    '//   const store = connect<Services>(url)',
    '',
    '/** What each service is asked with and what it answers. */',
    'export interface Services {',
    ...services.flatMap((service) => [
      ...comment(service.description, '  '),
      `  ${service.name}: {`,
      ...serviceLines(shapeOf(snapshot, service)),
      '  }',
    ]),
    '}',
  ]
  return `${lines.join('\n')}\n`
}

interface TypedName {
  readonly name: string
  readonly type: FeatureType
  readonly description?: string | undefined
}

function serviceLines(shape: ServiceShape): string[] {
  const features = shape.outputs.map((output): TypedName => ({
    ...output,
    description:
      output.from === 'slot'
        ? shape.slots[output.slot]?.group.definition.features[output.feature]?.description
        : shape.onDemand[output.call]?.definition.features[output.feature]?.description,
  }))
  return [
    ...recordLines('keys', shape.keys),
    ...recordLines('request', shape.request),
    ...recordLines('vector', features),
  ]
}

function recordLines(title: string, fields: readonly TypedName[]): string[] {
  if (fields.length === 0) return [`    ${title}: {}`]
  const lines = fields.flatMap(({ name, type, description }) => [
    ...comment(description, '      '),
    `      ${name}: ${valueType(type)} | null`,
  ])
  return [`    ${title}: {`, ...lines, '    }']
}

/** The TypeScript type of a type's values. */
function valueType(type: FeatureType): string {
  switch (type.kind) {
    case 'vector':
      return 'Float32Array'
    case 'list':
      return `readonly (${scalarType(type.element)} | null)[]`
    case 'map':
      return `ReadonlyMap<string, ${scalarType(type.value)} | null>`
    case 'struct': {
      const fields = Object.entries(type.fields).map(
        ([name, field]) => `readonly ${name}: ${scalarType(field)} | null`,
      )
      return `{ ${fields.join('; ')} }`
    }
    default:
      return scalarType(type)
  }
}

function scalarType(type: ScalarType): string {
  switch (type.kind) {
    case 'bool':
      return 'boolean'
    case 'int64':
      return type.as ?? 'bigint'
    case 'timestamp':
      return 'bigint'
    case 'int32':
    case 'float32':
    case 'float64':
      return 'number'
    case 'string':
      return 'string'
    case 'bytes':
      return 'Uint8Array'
    default:
      return type satisfies never
  }
}

/** A description as a comment, which it cannot end. */
function comment(text: string | undefined, indent: string): string[] {
  if (text === undefined || text.trim() === '') return []
  const lines = text
    .trim()
    .replaceAll('*/', '*\\/')
    .split(/\r\n|[\n\r\u2028\u2029]/)
  if (lines.length === 1) return [`${indent}/** ${lines[0]!} */`]
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`]
}
