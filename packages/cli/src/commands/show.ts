import { formatInstant, typeName, type Definition, type Description } from '@asof/core'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { deprecationText, factLines, shortName, type Fact } from '../registry-text.ts'
import { plainText } from '../shown-value.ts'
import type { Terminal } from '../terminal.ts'

/** How many names of one kind are listed for people; `--json` has them all. */
const NAMES_SHOWN = 50

/** `asof show REF`: everything that the registry knows about one thing. */
export async function show(terminal: Terminal, options: ProjectOptions, reference: string): Promise<void> {
  await using store = await openProject(await findProject(options))
  const shown = await store.show(reference)
  const document = {
    ...shown,
    ...(shown.firstApplied !== undefined && { firstApplied: formatInstant(shown.firstApplied) }),
    ...(shown.versions !== undefined && {
      versions: shown.versions.map((version) => ({
        ...version,
        firstApplied: formatInstant(version.firstApplied),
      })),
    }),
  }
  terminal.answer(document, () => {
    const { colours } = terminal
    return `${colours.bold(plainText(shown.id))}\n\n${factLines(factsOf(shown), colours)}`
  })
}

function factsOf(shown: Description): readonly Fact[] {
  const { kind, definition, feature, consumer, readBy, from, sources } = shown
  const { description, tags } = feature ?? definition ?? {}
  return [
    ['kind', shown.kind],
    ['type', shown.type],
    ['description', description ?? (feature === undefined ? undefined : definition?.description)],
    ['default', feature?.default === undefined ? undefined : JSON.stringify(feature.default)],
    ['team', consumer?.team],
    ['owner', definition?.owner],
    ['tags', [...new Set([...(tags ?? []), ...(definition?.tags ?? [])])].join(', ')],
    ...(definition === undefined ? [] : definitionFacts(definition, shown)),
    ['first applied', shown.firstApplied === undefined ? undefined : formatInstant(shown.firstApplied)],
    ['versions', versionLines(shown)],
    ['made from', kind === 'service' ? undefined : few(from.map(shortName))],
    ['sources', few(sources)],
    ['read by', few(readBy.definitions.map(shortName))],
    ['services', few(readBy.services)],
    ['models', few(modelLines(shown))],
    ['fingerprint', shown.fingerprint],
  ]
}

function definitionFacts(definition: Definition, { kind }: Description): readonly Fact[] {
  switch (definition.kind) {
    case 'entity':
      return [['keys', definition.keys.map(({ name, type }) => `${name} ${type.kind}`)]]
    case 'source': {
      const { reads, eventTime, created } = definition
      return [
        ['reads', 'path' in reads ? `${reads.format} ${reads.path}` : reads.format],
        ['query', reads.format === 'sql' ? linesOf(reads.query) : undefined],
        ['fields', reads.format === 'request' ? fieldLines(reads.fields) : undefined],
        ['event time', eventTime?.column],
        ['created', createdText(created)],
      ]
    }
    case 'group': {
      const { status, deprecation, schedule, compute, freshness, ttl, entity, online } = definition
      return [
        ['status', status === 'deprecated' ? deprecationText(deprecation) : status],
        ['entity', entity],
        ['computed', compute.from === 'push' ? 'by pushes alone' : undefined],
        ['query', compute.from === 'query' ? linesOf(compute.query) : undefined],
        ['every', schedule && `${schedule.every}, ${schedule.delay} after the end of each interval`],
        ['freshness', freshness],
        ['ttl', ttl],
        ['kept', online ? undefined : 'offline only'],
        ['features', kind === 'group' ? fieldLines(definition.features) : undefined],
      ]
    }
    case 'on_demand':
      return [
        ['code', definition.code.module],
        ['features', kind === 'on_demand' ? fieldLines(definition.features) : undefined],
      ]
    case 'service':
      return [
        [
          'features',
          kind === 'service'
            ? few(
                definition.features.map(
                  ({ name, group, version, feature }) => `${name}, of ${group}@${version}:${feature}`,
                ),
              )
            : undefined,
        ],
      ]
    default:
      return definition satisfies never
  }
}

function createdText(created: Extract<Definition, { kind: 'source' }>['created']): string | undefined {
  if (typeof created !== 'object') return created
  return 'delay' in created ? `${created.delay} after the event` : created.column
}

function fieldLines(
  fields: readonly { name: string; type: Parameters<typeof typeName>[0] }[],
): readonly string[] {
  return few(fields.map(({ name, type }) => `${name} ${typeName(type)}`))
}

function versionLines({ versions, definition }: Description): readonly string[] {
  if (versions === undefined || versions.length < 2 || definition === undefined) return []
  return versions.map(
    ({ version, status, features, firstApplied }) =>
      `${definition.name}@${version} ${status}, ${features} features, since ${formatInstant(firstApplied).slice(0, 10)}`,
  )
}

function modelLines({ definition, readBy }: Description): readonly string[] {
  const isService = definition?.kind === 'service'
  return readBy.models.map(
    ({ model, version, team, services }) =>
      `${model}@${version} (${team})${isService ? '' : `, by ${services.join(', ')}`}`,
  )
}

function few(names: readonly string[]): readonly string[] {
  if (names.length <= NAMES_SHOWN) return names
  return [...names.slice(0, NAMES_SHOWN), `and ${names.length - NAMES_SHOWN} more; --json has all`]
}

/** The lines of a query without the indentation that they share in the definitions, where the first one has none. */
function linesOf(query: string): string[] {
  const [first = '', ...others] = query.split('\n')
  const indents = others.filter((line) => line.trim() !== '').map((line) => line.search(/\S/))
  const shared = Math.min(...indents)
  return [first, ...others.map((line) => line.slice(shared))]
}
