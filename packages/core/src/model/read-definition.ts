import { invalid } from '../errors/asof-error.ts'
import type {
  Definition,
  Deprecation,
  EntityDefinition,
  GroupDefinition,
  OnDemandDefinition,
  OnDemandInput,
  ServiceDefinition,
  ServiceFeature,
} from './definition.ts'
import {
  JsonObject,
  arrayOf,
  compact,
  deepFreeze,
  durationFrom,
  oneOf,
  readFlag,
  readText,
  recordOf,
  wholeNumber,
} from './json-object.ts'
import { LIMITS } from '../limits/limits.ts'
import { checkColumnName, checkName } from './name.ts'
import { readSource, readSourceNames } from './read-source.ts'
import { described, named, readFields, readKeyType, refuseDuplicates } from './read-type.ts'

/**
 * Reads one definition from JSON: every property known and of its type, defaults filled in, durations and defaults in
 * their one canonical writing. Reading what it answers gives the same again. The typed builders go through here too,
 * so that TypeScript and JSON are held to the same rules.
 *
 * @param path where the definition stands, for messages: `definitions[3]`
 * @throws {AsofError} `invalid_definition` and others of kind `invalid`, each with the path
 */
export function readDefinition(json: unknown, path: string): Definition {
  if (isRead(json)) return json
  const object = new JsonObject(json, path)
  const kind = object.need('kind', oneOf('entity', 'source', 'group', 'on_demand', 'service'))
  const definition = definitionOf(kind, object)
  object.end()
  READ.add(deepFreeze(definition))
  return definition
}

/** What was read here, and is frozen: reading it again would give the same, at the cost of the first time. */
const READ = new WeakSet<object>()

function isRead(json: unknown): json is Definition {
  return typeof json === 'object' && json !== null && READ.has(json)
}

function definitionOf(kind: Definition['kind'], object: JsonObject): Definition {
  switch (kind) {
    case 'entity':
      return readEntity(object)
    case 'source':
      return readSource(object)
    case 'group':
      return readGroup(object)
    case 'on_demand':
      return readOnDemand(object)
    case 'service':
      return readService(object)
    default:
      return kind satisfies never
  }
}

const VERSION_MAX = 1_000_000

function readVersion(object: JsonObject): number {
  return object.maybe('version', wholeNumber(1, VERSION_MAX)) ?? 1
}

function readEntity(object: JsonObject): EntityDefinition {
  const keys = object.need(
    'keys',
    arrayOf((json, path) => {
      const key = new JsonObject(json, path)
      const read = {
        name: key.need('name', (name, at) => checkColumnName(name, 'join key', at)),
        type: key.need('type', readKeyType),
      }
      key.end()
      return read
    }),
  )
  refuseDuplicates(
    keys.map((key) => key.name),
    'join key',
    `${object.path}.keys`,
  )
  return compact<EntityDefinition>({
    kind: 'entity',
    name: object.need('name', named('entity')),
    keys,
    ...described(object),
  })
}

function readCompute(json: unknown, path: string): GroupDefinition['compute'] {
  const object = new JsonObject(json, path)
  const from = object.need('from', oneOf('source', 'query', 'push'))
  const compute = ((): GroupDefinition['compute'] => {
    if (from === 'source') return { from, source: object.need('source', named('source')) }
    if (from === 'push') return { from }
    return { from, query: object.need('query', readText), sources: object.need('sources', readSourceNames) }
  })()
  object.end()
  return compute
}

function readSchedule(json: unknown, path: string): NonNullable<GroupDefinition['schedule']> {
  const object = new JsonObject(json, path)
  const schedule = {
    every: object.need('every', durationFrom(1)),
    delay: object.maybe('delay', durationFrom(0)) ?? ('0s' as const),
    runtime: object.maybe('runtime', durationFrom(0)) ?? ('0s' as const),
    lookback: object.maybe('lookback', durationFrom(0)) ?? ('1d' as const),
  }
  object.end()
  return schedule
}

function readGroup(object: JsonObject): GroupDefinition {
  const compute = object.need('compute', readCompute)
  const key =
    object.maybe(
      'key',
      recordOf((name, path) => checkColumnName(name, 'join key', path), readText),
    ) ?? {}
  const group = compact<GroupDefinition>({
    kind: 'group',
    name: object.need('name', named('feature group')),
    version: readVersion(object),
    entity: object.need('entity', named('entity')),
    key: Object.fromEntries(Object.entries(key).filter(([name, column]) => name !== column)),
    compute,
    features: object.need('features', readFields('feature', 'allowed')),
    schedule: object.maybe('schedule', readSchedule),
    delay: object.maybe('delay', durationFrom(0)) ?? '0s',
    ttl: object.maybe('ttl', durationFrom(0)),
    boundary: object.maybe('boundary', oneOf('inclusive', 'exclusive')) ?? 'inclusive',
    online: object.maybe('online', readFlag) ?? true,
    status: object.maybe('status', oneOf('staging', 'active', 'deprecated')) ?? 'active',
    deprecation: object.maybe('deprecation', readDeprecation),
    unknownColumns:
      object.maybe('unknownColumns', oneOf('strict', 'additive')) ??
      (compute.from === 'source' ? 'additive' : 'strict'),
    freshness: object.maybe('freshness', durationFrom(1)),
    partition: object.maybe('partition', oneOf('none', 'day', 'month')) ?? 'none',
    ...described(object),
  })
  checkSchedule(group, object.path)
  if (group.deprecation !== undefined && group.status !== 'deprecated') {
    throw invalid('invalid_definition', "only a group with the status 'deprecated' has a deprecation", {
      path: `${object.path}.deprecation`,
      status: group.status,
    })
  }
  return group
}

function readDeprecation(json: unknown, path: string): Deprecation {
  const object = new JsonObject(json, path)
  const deprecation = compact<Deprecation>({
    after: object.need('after', readDay),
    replacement: object.maybe('replacement', readGroupVersion),
  })
  object.end()
  return deprecation
}

function readDay(json: unknown, path: string): string {
  const text = readText(json, path)
  const [, year, month, day] = (/^(\d{4})-(\d\d)-(\d\d)$/.exec(text) ?? []).map(Number)
  if (year !== undefined && month !== undefined && day !== undefined) {
    if (year >= 1900 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)) return text
  }
  throw invalid('invalid_definition', 'a day is wanted here, such as 2026-12-31', { path, value: text })
}

function daysIn(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
}

function readGroupVersion(json: unknown, path: string): string {
  const [name, version, ...rest] = readText(json, path).split('@')
  if (version === undefined || rest.length > 0 || !/^[1-9]\d{0,6}$/.test(version)) {
    throw invalid('invalid_definition', 'a group with its version is wanted here, such as hourly@2', { path })
  }
  return `${checkName(name, 'feature group', path)}@${version}`
}

function checkSchedule(group: GroupDefinition, path: string): void {
  const { from } = group.compute
  if (from === 'query' && group.schedule === undefined) {
    throw invalid(
      'query_without_schedule',
      'a query needs a schedule: add every, or put the query into a sql source, which declares created, and read that',
      { path, group: group.name },
    )
  }
  if (from === 'push' && group.schedule !== undefined) {
    throw invalid('schedule_without_input', 'a schedule needs a source or a query to run', {
      path,
      group: group.name,
    })
  }
  if (group.delay !== '0s' && (from === 'push' || group.schedule !== undefined)) {
    const advice =
      from === 'push'
        ? 'a pushed row is known when it is pushed: leave out the delay'
        : "a scheduled group's delay belongs to its schedule"
    throw invalid('invalid_definition', advice, { path: `${path}.delay`, group: group.name })
  }
}

function readOnDemand(object: JsonObject): OnDemandDefinition {
  const inputs = object.need('inputs', arrayOf(readInput))
  refuseDuplicates(
    inputs.map((input) => input.name),
    'input',
    `${object.path}.inputs`,
  )
  const code = object.need('code', (json, path) => {
    const read = new JsonObject(json, path)
    const parts = {
      module: read.need('module', readCodeText),
      fingerprint: read.need('fingerprint', readCodeText),
    }
    read.end()
    return parts
  })
  return compact<OnDemandDefinition>({
    kind: 'on_demand',
    name: object.need('name', named('on-demand group')),
    version: readVersion(object),
    inputs,
    features: object.need('features', readFields('on-demand feature', 'refused')),
    code,
    ...described(object),
  })
}

/** Empty until the code has been found and hashed; see `withCode`. */
function readCodeText(json: unknown, path: string): string {
  return json === '' ? '' : readText(json, path)
}

function readInput(json: unknown, path: string): OnDemandInput {
  const object = new JsonObject(json, path)
  const from = object.need('from', readInputFrom)
  const input = compact<OnDemandInput>({
    name: object.need('name', named('input')),
    from,
    keys: 'request' in from ? undefined : object.maybe('keys', readKeyNames),
  })
  object.end()
  return input
}

function readInputFrom(json: unknown, path: string): OnDemandInput['from'] {
  const object = new JsonObject(json, path)
  const from = ((): OnDemandInput['from'] => {
    if (object.has('request')) {
      return {
        request: object.need('request', named('request')),
        field: object.need('field', named('field')),
      }
    }
    if (object.has('eventTimeOf')) {
      return { eventTimeOf: object.need('eventTimeOf', named('feature group')), version: readVersion(object) }
    }
    return {
      group: object.need('group', named('feature group')),
      version: readVersion(object),
      feature: object.need('feature', named('feature')),
    }
  })()
  object.end()
  return from
}

function readService(object: JsonObject): ServiceDefinition {
  const features = object.need('features', arrayOf(readServiceFeature))
  const path = `${object.path}.features`
  if (features.length === 0)
    throw invalid('invalid_definition', 'a service has at least one feature', { path })
  if (features.length > LIMITS.serviceFeaturesMax) {
    const details = { path, count: features.length, serviceFeaturesMax: LIMITS.serviceFeaturesMax }
    throw invalid(
      'too_many_features',
      'more features than the limit serviceFeaturesMax; split the service',
      details,
    )
  }
  refuseSameNames(features, path)
  const consumers = object.maybe('consumers', arrayOf(readConsumer)) ?? []
  refuseDuplicates(
    consumers.map((consumer) => `${consumer.model}@${consumer.version}`),
    'consumer',
    `${object.path}.consumers`,
  )
  return compact<ServiceDefinition>({
    kind: 'service',
    name: object.need('name', named('feature service')),
    features,
    consumers,
    ...described(object),
  })
}

function refuseSameNames(features: readonly ServiceFeature[], path: string): void {
  const seen = new Map<string, ServiceFeature>()
  for (const feature of features) {
    const other = seen.get(feature.name)
    if (other !== undefined) {
      throw invalid(
        'duplicate_feature',
        'two features of one name in a vector: pick one, or give one group an alias',
        {
          path,
          name: feature.name,
          first: `${other.group}@${other.version}:${other.feature}`,
          second: `${feature.group}@${feature.version}:${feature.feature}`,
        },
      )
    }
    seen.set(feature.name, feature)
  }
}

function readServiceFeature(json: unknown, path: string): ServiceFeature {
  const object = new JsonObject(json, path)
  const feature = {
    name: object.need('name', (name, at) => checkColumnName(name, 'feature', at)),
    group: object.need('group', named('feature group')),
    version: readVersion(object),
    feature: object.need('feature', named('feature')),
    keys: object.need('keys', readKeyNames),
  }
  object.end()
  return feature
}

function readKeyNames(json: unknown, path: string): Readonly<Record<string, string>> {
  const name = (value: unknown, at: string): string => checkColumnName(value, 'join key', at)
  return recordOf(name, name)(json, path)
}

function readConsumer(json: unknown, path: string): ServiceDefinition['consumers'][number] {
  const object = new JsonObject(json, path)
  const consumer = {
    model: object.need('model', readText),
    version: object.need('version', readText),
    team: object.need('team', readText),
  }
  object.end()
  return consumer
}
