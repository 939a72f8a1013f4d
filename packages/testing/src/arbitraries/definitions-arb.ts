import {
  checkDefinitions,
  type Definition,
  type Duration,
  type EntityDefinition,
  type Field,
  type GroupDefinition,
  type OnDemandDefinition,
  type ServiceDefinition,
  type SourceDefinition,
  valueToJson,
} from '@asof/core'
import * as fc from 'fast-check'
import { fieldsArb, keyTypeArb } from './feature-type-arb.ts'
import { valueArb } from './value-arb.ts'

/** All definitions of a small project of every kind, valid, in canonical form. */
export function definitionsArb(): fc.Arbitrary<readonly Definition[]> {
  // Made once: making it costs more than a hundred of its samples.
  const fields = fieldsArb({ minLength: 1, maxLength: 4 })
  const parts = fc.record({
    entities: several(entityArb, 1, 3),
    sources: several(sourceArb, 1, 3),
    request: requestArb(fields),
  })
  return parts.chain(({ entities, sources, request }) =>
    several((number) => groupArb(number, entities, sources, fields), 1, 4).chain((groups) =>
      several((number) => onDemandArb(number, groups, request, fields), 0, 2).chain((onDemand) =>
        several((number) => serviceArb(number, entities, groups, onDemand), 0, 2).map((services) =>
          checkDefinitions([...entities, ...sources, request, ...groups, ...onDemand, ...services]),
        ),
      ),
    ),
  )
}

/** From `min` to `max` things, each made with its number. */
function several<T>(arb: (number: number) => fc.Arbitrary<T>, min: number, max: number): fc.Arbitrary<T[]> {
  return fc
    .integer({ min, max })
    .chain((count) => fc.tuple(...Array.from({ length: count }, (_, number) => arb(number))))
}

const described = {
  description: fc.constantFrom(undefined, 'what it is', 'was es "ist" – ✓'),
  owner: fc.constantFrom(undefined, 'ops-ml'),
  tags: fc.constantFrom(undefined, ['pii'], ['a', 'b']),
}

function present<T>(record: T): T {
  return Object.fromEntries(Object.entries(record as object).filter(([, value]) => value !== undefined)) as T
}

function durationArb(): fc.Arbitrary<Duration> {
  return fc.constantFrom<Duration>('1us', '250ms', '30s', '90s', '15m', '60m', '1h', '24h', '7d')
}

/** Every entity has join keys of its own, so that any two may stand in one service. */
function entityArb(number: number): fc.Arbitrary<EntityDefinition> {
  return fc.record({ types: fc.array(keyTypeArb(), { maxLength: 3 }), ...described }).map(
    ({ types, ...rest }) =>
      present({
        kind: 'entity',
        name: `entity_${number}`,
        keys: types.map((type, part) => ({ name: `entity_${number}_key_${part}`, type })),
        ...rest,
      }) as EntityDefinition,
  )
}

function sourceArb(number: number): fc.Arbitrary<SourceDefinition> {
  const time = fc.constantFrom(
    { column: 'at' },
    { column: 'local time', zone: 'America/New_York' },
    { column: 'ms', unit: 'ms' as const },
  )
  const earlier = Array.from({ length: number }, (_, other) => `source_${other}`)
  const reads = fc.oneof(
    fc
      .constantFrom('parquet' as const, 'csv' as const, 'jsonl' as const)
      .map((format) => ({ format, path: 'data/*' })),
    fc.constant({ format: 'delta' as const, path: 'tables/a' }),
    ...(number === 0
      ? []
      : [fc.constant({ format: 'sql' as const, query: 'SELECT "a" FROM b', sources: earlier })]),
  )
  return fc
    .record({
      reads,
      eventTime: time,
      created: fc.oneof(time, fc.record({ delay: durationArb() }), fc.constant('commit' as const)),
      future: fc.constantFrom(undefined, 'hold' as const, 'quarantine' as const),
      ...described,
    })
    .map(({ reads, created, ...rest }) => {
      const possible = created === 'commit' && reads.format !== 'delta' ? { delay: '0s' as const } : created
      return present({
        kind: 'source',
        name: `source_${number}`,
        reads,
        created: possible,
        ...rest,
      }) as SourceDefinition
    })
}

type FieldsArb = fc.Arbitrary<readonly Field[]>

function requestArb(asked: FieldsArb): fc.Arbitrary<SourceDefinition> {
  return asked.map((fields) => ({
    kind: 'source',
    name: 'request',
    reads: { format: 'request', fields: fields.map((field) => ({ ...field, name: `asked_${field.name}` })) },
  }))
}

function featuresArb(prefix: string, declared: FieldsArb): fc.Arbitrary<Field[]> {
  return declared.chain((fields) =>
    fc.tuple(
      ...fields.map((field) =>
        fc.option(valueArb(field.type), { nil: undefined }).map((value) =>
          present<Field>({
            ...field,
            name: `${prefix}_${field.name}`,
            ...(value === undefined ? {} : { default: valueToJson(field.type, value) }),
          }),
        ),
      ),
    ),
  )
}

function groupArb(
  number: number,
  entities: readonly EntityDefinition[],
  sources: readonly SourceDefinition[],
  declared: FieldsArb,
): fc.Arbitrary<GroupDefinition> {
  const schedule = fc.record({
    every: durationArb(),
    delay: durationArb(),
    runtime: durationArb(),
    lookback: durationArb(),
  })
  const compute = fc.oneof(
    fc.record({ compute: fc.constant({ from: 'push' as const }) }),
    fc.record({
      compute: fc
        .constantFrom(...sources)
        .map((source) => ({ from: 'source' as const, source: source.name })),
      delay: durationArb(),
    }),
    fc.record({
      compute: fc.subarray([...sources], { minLength: 1 }).map((read) => ({
        from: 'query' as const,
        query: 'SELECT 1',
        sources: read.map((source) => source.name),
      })),
      schedule,
    }),
  )
  return fc
    .record({
      computed: compute,
      entity: fc.constantFrom(...entities),
      renamed: fc.boolean(),
      features: featuresArb(`group_${number}`, declared),
      ttl: fc.option(durationArb(), { nil: undefined }),
      freshness: fc.option(durationArb(), { nil: undefined }),
      boundary: fc.constantFrom('inclusive' as const, 'exclusive' as const),
      online: fc.boolean(),
      status: fc.constantFrom('active' as const, 'deprecated' as const),
      after: fc.constantFrom(undefined, '2030-12-31'),
      unknownColumns: fc.constantFrom('strict' as const, 'additive' as const),
      partition: fc.constantFrom('none' as const, 'day' as const, 'month' as const),
      ...described,
    })
    .map(({ computed, entity, renamed, after, ...rest }) => {
      const first = entity.keys[0]
      return present({
        kind: 'group',
        name: `group_${Math.floor(number / 2)}`,
        version: 1 + (number % 2),
        entity: entity.name,
        key: renamed && first !== undefined ? { [first.name]: 'Some Column' } : {},
        delay: '0s',
        ...(rest.status === 'deprecated' && after !== undefined && { deprecation: { after } }),
        ...computed,
        ...rest,
      }) as GroupDefinition
    })
}

function onDemandArb(
  number: number,
  groups: readonly GroupDefinition[],
  request: SourceDefinition,
  declared: FieldsArb,
): fc.Arbitrary<OnDemandDefinition> {
  const fields = request.reads.format === 'request' ? request.reads.fields : []
  const from = fc.oneof(
    fc.constantFrom(...fields).map((field) => ({ request: request.name, field: field.name })),
    fc.constantFrom(...groups).chain((group) =>
      fc.constantFrom(
        { eventTimeOf: group.name, version: group.version },
        ...group.features.map((field) => ({
          group: group.name,
          version: group.version,
          feature: field.name,
        })),
      ),
    ),
  )
  return fc
    .record({
      inputs: fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b_2', 'mean', 'at', 'x_'), from }), {
        maxLength: 4,
        selector: (input) => input.name,
      }),
      features: declared,
      fingerprint: fc.constantFrom('c0de', 'c0ffee'),
      ...described,
    })
    .map(
      ({ features, fingerprint, ...rest }) =>
        present({
          kind: 'on_demand',
          name: `computed_${number}`,
          version: 1,
          features: features.map((field) => ({ ...field, name: `computed_${number}_${field.name}` })),
          code: { module: 'features.ts', fingerprint },
          ...rest,
        }) as OnDemandDefinition,
    )
}

function serviceArb(
  number: number,
  entities: readonly EntityDefinition[],
  groups: readonly GroupDefinition[],
  onDemand: readonly OnDemandDefinition[],
): fc.Arbitrary<ServiceDefinition> {
  const keysOf = (read: readonly GroupDefinition[]): string[] =>
    entities
      .filter((entity) => read.some((group) => group.entity === entity.name))
      .flatMap((entity) => entity.keys.map((key) => key.name))
  const readBy = (group: OnDemandDefinition): GroupDefinition[] =>
    groups.filter((read) =>
      group.inputs.some(({ from }) =>
        'request' in from
          ? false
          : ('group' in from ? from.group : from.eventTimeOf) === read.name && from.version === read.version,
      ),
    )
  const all = [...groups, ...onDemand].flatMap((group) => {
    const keys = keysOf(group.kind === 'group' ? [group] : readBy(group))
    return group.features.map((field) => ({
      group: group.name,
      version: group.version,
      feature: field.name,
      keys,
    }))
  })
  return fc
    .record({
      picked: fc.shuffledSubarray(all, { minLength: 1 }),
      role: fc.constantFrom('', 'buyer_'),
      consumers: fc.constantFrom([], [{ model: 'delay', version: '7', team: 'ops' }]),
      ...described,
    })
    .map(
      ({ picked, role, ...rest }) =>
        present({
          kind: 'service',
          name: `service_${number}`,
          features: picked.map(({ keys, ...feature }) => ({
            ...feature,
            name: `${role}${feature.group}_${feature.version}_${feature.feature}`,
            keys: Object.fromEntries(keys.map((key) => [key, `${role}${key}`])),
          })),
          ...rest,
        }) as ServiceDefinition,
    )
}
