import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  columnOf,
  columnValue,
  groupTableSchema,
  offlineTable,
  shapeOf,
  STATUSES,
  train,
  valueToJson,
  verifyTrainingSet,
} from '@asof/core'
import type {
  AppliedGroup,
  ColumnBatch,
  EntityDefinition,
  FeatureRow,
  FeatureType,
  Field,
  GroupDefinition,
  Instant,
  KeyType,
  KeyValues,
  OfflineStore,
  OnDemandDefinition,
  OnDemandFunction,
  ParquetFiles,
  Relation,
  ServiceDefinition,
  Snapshot,
  TrainingManifest,
  TrainingService,
  TrainParts,
  TrainRequest,
  Value,
  Verification,
} from '@asof/core'
import { deltaTables } from '@asof/delta'
import { diskObjectStore, diskTrainingFiles } from '@asof/disk'
import {
  featureTypeArb,
  keyArb,
  keyTypeArb,
  naiveValue,
  naiveVector,
  nullableValueArb,
  propertyRuns,
  sameValue,
} from '@asof/testing'
import * as fc from 'fast-check'
import { openLabels } from './label-session.ts'
import { duckdbParquetFiles } from './parquet-files.ts'

const DAY = 86_400_000_000
/** 2024-01-01. */
const T0 = 1_704_067_200_000_000
const HORIZON = (T0 + 400 * DAY) as Instant
const AT = { column: 'at' } as const

/** A store of Delta tables in a folder of its own, and all that training needs. */
class Workplace implements AsyncDisposable {
  readonly folder: string
  readonly parts: TrainParts
  readonly parquet: ParquetFiles
  readonly offline: OfflineStore
  #sets = 0

  constructor(folder: string) {
    this.folder = folder
    const settings = { folders: [folder], tempFolder: join(folder, 'temp') }
    this.parquet = duckdbParquetFiles(settings)
    const tablesIn = (root: string): OfflineStore =>
      deltaTables({
        objects: diskObjectStore(root),
        parquet: this.parquet,
        now: () => HORIZON,
        randomId: randomUUID,
      })
    this.offline = tablesIn(join(folder, 'store'))
    this.parts = {
      engine: { labels: (request) => openLabels(settings, request) },
      offline: this.offline,
      files: diskTrainingFiles(),
      tablesIn,
      writer: 'asof/test',
    }
  }

  static async open(): Promise<Workplace> {
    const folder = await mkdtemp(join(tmpdir(), 'asof-training-'))
    await mkdir(join(folder, 'temp'))
    return new Workplace(folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true })
  }

  /** Appends rows to a group's table, as one commit and one file. */
  async append(group: AppliedGroup, rows: readonly FeatureRow[], sequence = 1): Promise<void> {
    const table = offlineTable('p', group.definition)
    await this.offline.ensure(table, groupTableSchema(group))
    const batches = async function* (): AsyncGenerator<ColumnBatch> {
      yield historyBatch(group, rows)
    }
    await this.offline.append(table, { rows: batches(), writers: [{ writer: 'test', sequence }], sortBy: [] })
  }

  /** Builds a set in a fresh folder. */
  async train(
    service: TrainingService,
    labels: Relation,
    more: Partial<Omit<TrainRequest, 'output'>> & { readonly format?: TrainRequest['output']['format'] } = {},
  ): Promise<{ folder: string; manifest: TrainingManifest }> {
    const { format = 'parquet', ...rest } = more
    const folder = join(this.folder, 'sets', `set-${this.#sets++}`)
    const request = {
      service,
      labels,
      at: AT,
      horizon: HORIZON,
      now: HORIZON,
      output: { format, folder },
      ...rest,
    }
    return await train(this.parts, request)
  }

  async verify(folder: string, service: TrainingService, labels?: Relation): Promise<Verification> {
    const parts = { ...this.parts, parquet: this.parquet, naive: naiveValue }
    return await verifyTrainingSet(parts, { folder, service, sample: 'all', ...(labels && { labels }) })
  }

  /** Values of some columns of a Parquet set, row by row. */
  async rows(
    folder: string,
    manifest: TrainingManifest,
    columns: readonly Field[],
  ): Promise<(Value | null)[][]> {
    const files = manifest.output.files.map(({ path }) => ({ localPath: join(folder, path), constants: {} }))
    const rows: (Value | null)[][] = []
    const read = columns.map(({ name, type }) => ({ name, type, nullable: true }))
    for await (const batch of this.parquet.read(files, read)) {
      for (let row = 0; row < batch.rows; row++) {
        rows.push(columns.map(({ name }) => columnValue(batch.columns[name]!, row)))
      }
    }
    return rows
  }
}

function historyBatch({ entity, definition }: AppliedGroup, rows: readonly FeatureRow[]): ColumnBatch {
  const big = (numbers: number[]): bigint[] => numbers.map(BigInt)
  const time = { kind: 'timestamp' } as const
  return {
    rows: rows.length,
    columns: Object.fromEntries([
      ...entity.keys.map(({ name, type }, part) => [
        name,
        columnOf(
          type,
          rows.map((row) => row.key[part] ?? null),
        ),
      ]),
      ['event_timestamp', columnOf(time, big(rows.map(({ e }) => e)))],
      ['created_timestamp', columnOf(time, big(rows.map(({ c }) => c)))],
      ['seq', columnOf({ kind: 'int64' }, big(rows.map(({ s }) => s)))],
      [
        'is_deleted',
        columnOf(
          { kind: 'bool' },
          rows.map(({ deleted }) => deleted),
        ),
      ],
      ...definition.features.map(({ name, type }, at) => [
        name,
        columnOf(
          type,
          rows.map((row) => row.values[at] ?? null),
        ),
      ]),
    ]) as ColumnBatch['columns'],
  }
}

const USER: EntityDefinition = {
  kind: 'entity',
  name: 'user',
  keys: [{ name: 'user_id', type: { kind: 'int64' } }],
}

function group(
  name: string,
  features: readonly Field[],
  more: Partial<GroupDefinition> = {},
  entity = USER,
): AppliedGroup {
  const definition: GroupDefinition = {
    kind: 'group',
    name,
    version: 1,
    entity: entity.name,
    key: {},
    compute: { from: 'push' },
    features,
    delay: '0s',
    boundary: 'inclusive',
    online: true,
    status: 'active',
    unknownColumns: 'strict',
    partition: 'none',
    ...more,
  }
  return { definition, entity, schemas: [features], firstApplied: T0 as Instant }
}

/** A service over every feature of some groups; each role names the keys of another use of the entity. */
function service(
  groups: readonly AppliedGroup[],
  roles: readonly Readonly<Record<string, string>>[] = [{}],
  onDemand: readonly { readonly definition: OnDemandDefinition; readonly compute: OnDemandFunction }[] = [],
): TrainingService {
  const uses = [
    ...groups.map(({ definition }) => definition),
    ...onDemand.map(({ definition }) => definition),
  ]
  const definition: ServiceDefinition = {
    kind: 'service',
    name: 'model',
    consumers: [],
    features: roles.flatMap((keys, role) =>
      uses.flatMap((use) =>
        use.features.map(({ name: feature }) => {
          return { name: `r${role}_${use.name}_${feature}`, group: use.name, version: 1, feature, keys }
        }),
      ),
    ),
  }
  const snapshot: Snapshot = {
    project: 'p',
    revision: undefined,
    entities: new Map(),
    sources: new Map([
      [
        'ask',
        {
          kind: 'source',
          name: 'ask',
          reads: { format: 'request', fields: [{ name: 'amount', type: { kind: 'float64' } }] },
        },
      ],
    ]),
    groups: new Map(groups.map((each) => [`${each.definition.name}@1`, each])),
    onDemand: new Map(onDemand.map((each) => [`${each.definition.name}@1`, each.definition])),
    services: new Map(),
  }
  return {
    project: 'p',
    revision: 1,
    shape: shapeOf(snapshot, definition),
    fingerprint: 'f',
    functions: new Map(onDemand.map((each) => [`${each.definition.name}@1`, each.compute])),
  }
}

/** Labels in memory: their times, and more columns. */
function labelRows(
  at: readonly (number | null)[],
  more: Readonly<
    Record<string, { readonly type: FeatureType; readonly values: readonly (Value | null)[] }>
  > = {},
): Relation {
  const columns = Object.entries(more).map(
    ([name, { type, values }]) => [name, columnOf(type, values)] as const,
  )
  const times = columnOf(
    { kind: 'timestamp' },
    at.map((time) => (time === null ? null : BigInt(time))),
  )
  return { kind: 'rows', batch: { rows: at.length, columns: { ...Object.fromEntries(columns), at: times } } }
}

function row(
  key: KeyValues,
  e: number,
  values: readonly (Value | null)[],
  more: Partial<FeatureRow> = {},
): FeatureRow {
  return { key, e: (T0 + e) as Instant, c: (T0 + e) as Instant, s: e, values, deleted: false, ...more }
}

const SCORE: readonly Field[] = [{ name: 'score', type: { kind: 'float64' } }]
const users = (...ids: (bigint | null)[]): { user_id: { type: FeatureType; values: (bigint | null)[] } } => ({
  user_id: { type: { kind: 'int64' }, values: ids },
})

/** A row visible from T0 + 10, another from T0 + 20 on. */
async function twoRows(
  more: Partial<GroupDefinition> = {},
  features = SCORE,
): Promise<[Workplace, AppliedGroup]> {
  const place = await Workplace.open()
  const scores = group('scores', features, more)
  await place.append(scores, [row([1n], 10, [1]), row([1n], 20, [2])])
  return [place, scores]
}

interface Case {
  readonly entity: EntityDefinition
  readonly groups: readonly { readonly group: AppliedGroup; readonly rows: readonly FeatureRow[] }[]
  readonly labels: readonly {
    readonly buyer: KeyValues
    readonly seller: KeyValues
    readonly at: number
    readonly amount: number | null
  }[]
  readonly knowledge: 'as-known' | 'event-time'
}

/** Instants in a crowd, so that ties and boundaries are common. */
const crowdedArb = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => T0 + step) },
  { weight: 2, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => T0 - DAY + step) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => -3 * DAY + step) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => T0 + 3 * DAY + step) },
)

const caseArb: fc.Arbitrary<Case> = fc
  .tuple(
    fc.array(keyTypeArb(), { maxLength: 2 }),
    fc.array(fc.array(featureTypeArb(), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 }),
  )
  .chain(([types, features]) =>
    fc.array(keyArb(types), { minLength: 3, maxLength: 3 }).chain((keys) => {
      const entity: EntityDefinition = {
        kind: 'entity',
        name: 'thing',
        keys: types.map((type, part) => ({ name: `k${part}`, type })),
      }
      const keyOfArb = fc.constantFrom(...keys)
      const askedArb = fc.oneof(
        { weight: 9, arbitrary: keyOfArb },
        { weight: 1, arbitrary: fc.constant(types.map(() => null)) },
      )
      const groupArb = (fields: readonly FeatureType[], at: number): fc.Arbitrary<Case['groups'][number]> =>
        fc
          .record({
            ttl: fc.constantFrom(undefined, '0s', '2us', '1d', '2d'),
            boundary: fc.constantFrom('inclusive', 'exclusive'),
            partition: fc.constantFrom('none', 'day', 'month'),
            defaults: fc.tuple(
              ...fields.map((type) => fc.option(nullableValueArb(type), { nil: undefined })),
            ),
            rows: fc.array(
              fc.record({
                key: keyOfArb,
                e: crowdedArb,
                c: crowdedArb,
                deleted: fc.nat(5).map((n) => n === 0),
                values: fc.tuple(...fields.map(nullableValueArb)),
              }),
              { maxLength: 30 },
            ),
          })
          .map(({ ttl, rows, defaults, ...more }) => {
            const declared = fields.map((type, index): Field => {
              const value = defaults[index]
              return {
                name: `f${index}`,
                type,
                ...(value !== undefined && { default: valueToJson(type, value) }),
              }
            })
            const each = group(
              `g${at}`,
              declared,
              { ...(ttl && { ttl: ttl as '1d' }), ...(more as Partial<GroupDefinition>) },
              entity,
            )
            const sequence = (index: number): number => ((index * 7) % 31) - 10
            return {
              group: each,
              rows: rows.map((given, index) => ({
                ...given,
                e: given.e as Instant,
                c: given.c as Instant,
                s: sequence(index),
              })),
            }
          })
      return fc.record({
        entity: fc.constant(entity),
        groups: fc.tuple(...features.map(groupArb)),
        labels: fc.array(
          fc.record({
            buyer: askedArb,
            seller: askedArb,
            at: crowdedArb,
            amount: fc.option(fc.integer({ max: 9, min: 0 })),
          }),
          { maxLength: 25 },
        ),
        knowledge: fc.constantFrom('as-known', 'as-known', 'event-time'),
      })
    }),
  )

test('a training set is what the naive engine answers, over all types, composite keys and roles', async () => {
  await fc.assert(
    fc.asyncProperty(caseArb, fc.boolean(), async ({ entity, groups, labels, knowledge }, small) => {
      await using place = await Workplace.open()
      for (const { group: each, rows } of groups) if (rows.length > 0) await place.append(each, rows)
      const roles = ['buyer', 'seller'] as const
      const named = (role: string): Record<string, string> =>
        Object.fromEntries(entity.keys.map(({ name }) => [name, `${role}_${name}`]))
      const columns = roles.flatMap((role) =>
        entity.keys.map(({ name, type }, part): [string, { type: FeatureType; values: (Value | null)[] }] => [
          `${role}_${name}`,
          { type, values: labels.map((label) => label[role][part] ?? null) },
        ]),
      )
      columns.push(['amount', { type: { kind: 'float64' }, values: labels.map(({ amount }) => amount) }])
      const asked = service(
        groups.map((each) => each.group),
        roles.map(named),
        [echo(groups[0]!.group)],
      )
      const times = labels.map(({ at }) => at)
      const built = await place.train(asked, labelRows(times, Object.fromEntries(columns)), {
        knowledge,
        statuses: true,
        eventTimes: true,
        ...(small && { memoryBytes: 2_000 }),
      })
      const outputs = asked.shape.outputs.flatMap(({ name, type, from }): Field[] => [
        { name, type },
        { name: `${name}__status`, type: { kind: 'string' } },
        ...(from === 'slot' ? [{ name: `${name}__event_time`, type: { kind: 'timestamp' } } as const] : []),
      ])
      const found = await place.rows(built.folder, built.manifest, outputs)
      assert.equal(found.length, labels.length)
      const counts = asked.shape.outputs.map(() => Object.fromEntries(STATUSES.map((status) => [status, 0])))
      const defaulted = asked.shape.outputs.map(() => 0)
      for (const [index, { at, amount }] of labels.entries()) {
        const expected = naiveVector({
          shape: asked.shape,
          rows: (id) => groups.find((each) => `${each.group.definition.name}@1` === id)!.rows,
          keys: Object.fromEntries(columns.map(([name, { values }]) => [name, values[index]!])),
          request: { amount },
          at: at as Instant,
          knowledge,
          functions: asked.functions,
        })
        const cells = found[index]!.values()
        for (const [output, { name, type, from }] of asked.shape.outputs.entries()) {
          const { value, status, eventTime } = expected[output]!
          const where = `row ${index}, ${name}`
          const is = cells.next().value!
          assert.ok(sameValue(type, is, value), `${where}: ${JSON.stringify(valueToJson(type, is))}`)
          assert.equal(cells.next().value, status, where)
          if (from === 'slot')
            assert.equal(cells.next().value, eventTime === null ? null : BigInt(eventTime), where)
          counts[output]![status]!++
          if (expected[output]!.defaulted) defaulted[output]!++
        }
      }
      assert.deepEqual(
        built.manifest.features.map(({ statuses }) => statuses),
        counts,
      )
      assert.deepEqual(
        built.manifest.features.map((feature) => feature.defaulted),
        defaulted,
      )
      const verified = await place.verify(built.folder, asked)
      assert.deepEqual(verified.differences, [])
      assert.equal(verified.ok, true)
    }),
    propertyRuns(0.05),
  )
})

/** An on-demand group that gives back a feature of a group, fails for some requests, and tells the row's age. */
function echo({ definition: { name: from, features } }: AppliedGroup): {
  readonly definition: OnDemandDefinition
  readonly compute: OnDemandFunction
} {
  const [{ name: feature, type }] = features as [Field]
  return {
    definition: {
      kind: 'on_demand',
      name: 'echo',
      version: 1,
      inputs: [
        { name: 'x', from: { group: from, version: 1, feature } },
        { name: 'amount', from: { request: 'ask', field: 'amount' } },
        { name: 'since', from: { eventTimeOf: from, version: 1 } },
      ],
      features: [
        { name: 'same', type },
        { name: 'age', type: { kind: 'int32' } },
      ],
      code: { module: 'echo.ts', fingerprint: 'echo' },
    },
    compute: ({ x, amount, since }, at) => {
      if ((amount as number) > 7) throw new Error('too much')
      // Ages beyond 32 bits are values of another type than declared.
      return { same: x ?? null, age: since === null ? null : at - (since as number) }
    },
  }
}

test('label columns, order and duplicates are kept; null keys are counted', async () => {
  const [place, scores] = await twoRows()
  await using _ = place
  const labels = labelRows([T0 + 30, T0 + 15, T0 + 5, T0 + 15, T0 + 15, T0 + 20], {
    ...users(1n, 1n, 1n, null, 1n, 1n),
    'Any Name': { type: { kind: 'string' }, values: ['a', 'b', null, 'd', 'e', ''] },
  })
  const { folder, manifest } = await place.train(service([scores]), labels)
  const names: Field[] = [
    { name: 'Any Name', type: { kind: 'string' } },
    { name: 'r0_scores_score', type: { kind: 'float64' } },
  ]
  assert.deepEqual(await place.rows(folder, manifest, names), [
    ['a', 2],
    ['b', 1],
    [null, null],
    ['d', null],
    ['e', 1],
    ['', 2],
  ])
  assert.deepEqual(manifest.labels.columns, [
    { name: 'user_id', physical: 'BIGINT' },
    { name: 'Any Name', physical: 'VARCHAR' },
    { name: 'at', physical: 'TIMESTAMP WITH TIME ZONE' },
  ])
  const [found] = manifest.groups
  assert.equal(found?.nullKeys, 1)
  assert.equal(found?.rowsUsed, 4)
  assert.equal(found?.largestEventLead, 0)
  assert.deepEqual(manifest.features[0]?.statuses, {
    present: 4,
    null: 0,
    not_found: 2,
    expired: 0,
    error: 0,
  })
})

test('a default stands in for no row, in the set and for on-demand features; errors are counted', async () => {
  const [place, scores] = await twoRows({}, [{ ...SCORE[0]!, default: -1 }])
  await using _ = place
  const definition: OnDemandDefinition = {
    kind: 'on_demand',
    name: 'context',
    version: 1,
    inputs: [
      { name: 'score', from: { group: 'scores', version: 1, feature: 'score' } },
      { name: 'amount', from: { request: 'ask', field: 'amount' } },
      { name: 'since', from: { eventTimeOf: 'scores', version: 1 } },
    ],
    features: [
      { name: 'sum', type: { kind: 'float64' } },
      { name: 'age', type: { kind: 'int64', as: 'number' } },
    ],
    code: { module: 'context.ts', fingerprint: 'code' },
  }
  const compute: OnDemandFunction = ({ score, amount, since }, at) => {
    if (amount === 13) throw new Error('unlucky')
    return {
      sum: amount === null ? null : (score as number) + (amount as number),
      age: since === null ? null : BigInt(at - (since as number)),
    }
  }
  const asked = service([scores], [{}], [{ definition, compute }])
  const labels = labelRows([T0 + 30, T0 + 5, T0 + 15, T0 + 15], {
    ...users(1n, 1n, 1n, 2n),
    amount: { type: { kind: 'float64' }, values: [0.5, 0.5, 13, null] },
  })
  const { folder, manifest } = await place.train(asked, labels, { statuses: true })
  const columns = ['r0_scores_score', 'r0_context_sum', 'r0_context_age'].flatMap((name, at): Field[] => [
    { name, type: { kind: at === 2 ? 'int64' : 'float64' } },
    { name: `${name}__status`, type: { kind: 'string' } },
  ])
  assert.deepEqual(await place.rows(folder, manifest, columns), [
    [2, 'present', 2.5, 'present', 10n, 'present'],
    [-1, 'not_found', -0.5, 'present', null, 'null'],
    [1, 'present', null, 'error', null, 'error'],
    [-1, 'not_found', null, 'null', null, 'null'],
  ])
  assert.deepEqual(manifest.onDemand, [{ group: 'context@1', code: 'code', errors: 2 }])
  assert.equal(manifest.features[0]?.defaulted, 2)
  assert.equal((await place.verify(folder, asked)).ok, true)
  await assert.rejects(place.train(asked, labels, { strict: true }), { code: 'on_demand_failed' })
})

test('labels that cannot be answered are refused with the row, and nothing is left behind', async () => {
  const [place, scores] = await twoRows()
  await using _ = place
  const asked = service([scores])
  const refused = async (
    labels: Relation,
    code: string,
    details: object,
    more: Partial<TrainRequest> = {},
  ): Promise<void> => {
    await assert.rejects(place.train(asked, labels, more), (error: { code: string; details: object }) => {
      assert.equal(error.code, code)
      assert.deepEqual({ ...error.details, ...details }, error.details)
      return true
    })
  }
  await refused(labelRows([T0, null], users(1n, 1n)), 'label_time_null', { row: 1, column: 'at' })
  await refused(
    labelRows([T0], users(1n)),
    'label_time_missing',
    { column: 'when' },
    { at: { column: 'when' } },
  )
  await refused(labelRows([T0]), 'label_column_missing', { column: 'user_id' })
  await refused(labelRows([T0, HORIZON + 1], users(1n, 1n)), 'label_beyond_horizon', { row: 1 })
  await refused(labelRows([HORIZON + 1_000_001], users(1n)), 'label_in_future', { row: 0 })
  const taken = { ...users(1n), R0_SCORES_SCORE: { type: { kind: 'bool' } as const, values: [true] } }
  await refused(labelRows([T0], taken), 'label_column_taken', { column: 'R0_SCORES_SCORE' })
  const text = { user_id: { type: { kind: 'float64' } as const, values: [1, 1.5] } }
  await refused(labelRows([T0, T0], text), 'invalid_label_value', { row: 1, column: 'user_id' })
  const controller = new AbortController()
  controller.abort(new Error('enough'))
  await assert.rejects(place.train(asked, labelRows([T0], users(1n)), { signal: controller.signal }), {
    message: 'enough',
  })
  assert.deepEqual(await readdir(join(place.folder, 'sets')), [])
})

test('no labels make a set without rows', async () => {
  const [place, scores] = await twoRows()
  await using _ = place
  const { folder, manifest } = await place.train(service([scores]), labelRows([], users()))
  assert.deepEqual(
    await place.rows(
      folder,
      manifest,
      SCORE.map((field) => ({ ...field, name: 'r0_scores_score' })),
    ),
    [],
  )
  assert.equal(manifest.output.files.length, 1)
})

test('a negative zero stays one beside zeros, and an int64 shown as a number is an error beyond 2^53', async () => {
  const place = await Workplace.open()
  await using _ = place
  const mixed = group('mixed', [
    { name: 'zero', type: { kind: 'float64' } },
    { name: 'big', type: { kind: 'int64', as: 'number' } },
  ])
  const ids = Array.from({ length: 100 }, (_, n) => BigInt(n))
  const zero = (n: bigint): number => (n % 3n === 0n ? -0 : 0)
  const big = (n: bigint): bigint => (n % 2n === 0n ? 2n ** 53n - 1n : 2n ** 53n)
  await place.append(
    mixed,
    ids.map((n) => row([n], 1, [zero(n), big(n)], { s: Number(n) })),
  )
  const labels = labelRows(
    ids.map(() => T0 + 1),
    { ...users(...ids), label_zero: { type: { kind: 'float64' }, values: ids.map(zero) } },
  )
  const { folder, manifest } = await place.train(service([mixed]), labels, { statuses: true })
  const columns: Field[] = [
    { name: 'label_zero', type: { kind: 'float64' } },
    { name: 'r0_mixed_zero', type: { kind: 'float64' } },
    { name: 'r0_mixed_big', type: { kind: 'int64' } },
    { name: 'r0_mixed_big__status', type: { kind: 'string' } },
  ]
  const safe = (n: bigint): boolean => n % 2n === 0n
  assert.deepEqual(
    await place.rows(folder, manifest, columns),
    ids.map((n) => [zero(n), zero(n), safe(n) ? big(n) : null, safe(n) ? 'present' : 'error']),
  )
  assert.equal(manifest.features[1]?.statuses.error, 50)
  assert.equal((await place.verify(folder, service([mixed]))).ok, true)
})

test('with little memory the set is made in parts and in ranges of keys, with the same values', async () => {
  const place = await Workplace.open()
  await using _ = place
  const scores = group('scores', SCORE)
  const history = Array.from({ length: 3_000 }, (_, n) =>
    row([BigInt(n % 100)], n, [n], { c: (T0 + n + (n % 17)) as Instant }),
  )
  await place.append(scores, history)
  const count = 10_000
  const random = (n: number): number => (Math.imul(n + 1, 2_654_435_761) >>> 0) % 3_100
  const keys = Array.from({ length: count }, (_, n) => BigInt(random(n * 3) % 101))
  const times = keys.map((_, n) => T0 + random(n))
  const asked = service([scores])
  const columns: Field[] = [{ name: 'r0_scores_score', type: { kind: 'float64' } }]
  const whole = await place.train(asked, labelRows(times, users(...keys)))
  const parted = await place.train(asked, labelRows(times, users(...keys)), { memoryBytes: 20_000 })
  assert.deepEqual(
    [whole, parted].map(({ manifest }) => manifest.output.files.map((file) => file.rows)),
    [[10_000], [3_334, 3_334, 3_332]],
  )
  const found = await place.rows(parted.folder, parted.manifest, columns)
  assert.deepEqual(found, await place.rows(whole.folder, whole.manifest, columns))
  assert.deepEqual(parted.manifest.groups, whole.manifest.groups)
  assert.deepEqual(parted.manifest.features, whole.manifest.features)
  for (let n = 0; n < count; n += 97) {
    const rule = { ttl: undefined, boundary: 'inclusive', knowledge: 'as-known' } as const
    const answer = naiveValue(history, [keys[n]!], times[n]! as Instant, rule)
    assert.equal(found[n]![0], answer.row?.values[0] ?? null)
  }
})

test('the same table versions give the same bytes, whatever was appended since', async () => {
  const [place, scores] = await twoRows()
  await using _ = place
  const labels = labelRows([T0 + 30, T0 + 15], users(1n, 1n))
  const first = await place.train(service([scores]), labels)
  await place.append(scores, [row([1n], 25, [3])], 2)
  const [pinned] = first.manifest.groups
  const again = await place.train(service([scores]), labels, {
    versions: { 'scores@1': pinned!.tableVersion! },
  })
  assert.deepEqual(again.manifest, first.manifest)
  const newest = await place.train(service([scores]), labels)
  assert.notEqual(newest.manifest.output.files[0]?.sha256, first.manifest.output.files[0]?.sha256)
  assert.equal((await place.verify(first.folder, service([scores]))).ok, true)
  await assert.rejects(place.train(service([scores]), labels, { versions: { 'scores@1': 99 } }), {
    code: 'table_version_vacuumed',
  })
})

test('files that the label times cannot need are not read', async () => {
  const place = await Workplace.open()
  await using _ = place
  const scores = group('scores', SCORE, { ttl: '2d' })
  for (const [index, days] of [-10, -5, -1, 0, 3].entries()) {
    await place.append(scores, [row([1n], days * DAY, [days])], index + 1)
  }
  const { manifest } = await place.train(service([scores]), labelRows([T0 + 10, T0 + DAY], users(1n, 1n)))
  // Two days of ttl, and as long again in which the answer is `expired`.
  assert.equal(manifest.groups[0]?.filesRead, 2)
  assert.equal(manifest.groups[0]?.filesTotal, 5)
})

test('a set that was tampered with does not verify', async () => {
  const [place, scores] = await twoRows()
  await using _ = place
  const asked = service([scores])
  const labels = labelRows([T0 + 30, T0 + 15], users(1n, 1n))
  const right = await place.train(asked, labels)
  await place.append(scores, [row([1n], 25, [3])], 2)
  const other = await place.train(asked, labels)
  const part = join(right.folder, 'part-00000.parquet')
  await writeFile(part, await readFile(join(other.folder, 'part-00000.parquet')))
  const damaged = await place.verify(right.folder, asked)
  assert.deepEqual([damaged.ok, damaged.damaged, damaged.rowsChecked], [false, ['part-00000.parquet'], 0])
  // With a hash that fits, the values still do not.
  const path = join(right.folder, 'manifest.json')
  const manifest = {
    ...right.manifest,
    output: { ...right.manifest.output, files: other.manifest.output.files },
  }
  await writeFile(path, JSON.stringify(manifest))
  const wrong = await place.verify(right.folder, asked)
  assert.equal(wrong.ok, false)
  assert.deepEqual(wrong.differences, [{ row: 0, column: 'r0_scores_score', found: '3', expected: '2' }])
  await assert.rejects(place.verify(right.folder, { ...asked, fingerprint: 'other' }), {
    code: 'service_changed',
  })
})

test('a set as a Delta table holds the same values, and verifies', async () => {
  const [place, scores] = await twoRows()
  await using _ = place
  const { folder, manifest } = await place.train(
    service([scores]),
    labelRows([T0 + 30, T0 + 15], users(1n, 1n)),
    { format: 'delta' },
  )
  const table = await place.parts.tablesIn(folder).snapshot('data')
  assert.deepEqual(
    table?.schema.columns.map(({ name }) => name),
    ['user_id', 'at', 'r0_scores_score'],
  )
  assert.match(manifest.output.files[0]!.path, /^data\/.*\.parquet$/)
  assert.deepEqual(await readdir(folder), ['data', 'manifest.json'])
  const verified = await place.verify(folder, service([scores]))
  assert.deepEqual([verified.ok, verified.rowsChecked], [true, 2])
})

test('CSV keeps every value in its JSON form, and no cell is a formula', async () => {
  const place = await Workplace.open()
  await using _ = place
  const types: FeatureType[] = [
    { kind: 'string' },
    { kind: 'float64' },
    { kind: 'int64' },
    { kind: 'list', element: { kind: 'string' } },
    { kind: 'timestamp' },
    { kind: 'bytes' },
  ]
  const notes = group(
    'notes',
    types.map((type, index) => ({ name: `f${index}`, type })),
  )
  const values: (Value | null)[][] = [
    ['=1+2', -0, 2n ** 62n, ['a,"b"', null], -1n, Uint8Array.of(0xfb, 0xef)],
    ["'=x", Number.NaN, -5n, [], 0n, new Uint8Array()],
    ['', null, null, null, null, null],
  ]
  await place.append(
    notes,
    values.map((each, index) => row([BigInt(index)], 1, each, { s: index })),
  )
  const labels = labelRows([T0 + 2, T0 + 2, T0 + 2], {
    ...users(0n, 1n, 2n),
    note: { type: { kind: 'string' }, values: ['@a', '-1', 'b'] },
  })
  const asked = service([notes])
  const { folder } = await place.train(asked, labels, { format: 'csv' })
  assert.deepEqual((await readFile(join(folder, 'part-00000.csv'), 'utf8')).split('\n').slice(1), [
    `0,'@a,2024-01-01 00:00:00.000002+00,'=1+2,-0,4611686018427387904,"[""a,\\""b\\"""",null]",1969-12-31T23:59:59.999999Z,'++8=`,
    `1,'-1,2024-01-01 00:00:00.000002+00,''=x,NaN,-5,[],1970-01-01T00:00:00.000000Z,""`,
    `2,b,2024-01-01 00:00:00.000002+00,"",,,,,`,
    '',
  ])
  assert.equal((await place.verify(folder, asked, labels)).ok, true)
  await assert.rejects(place.verify(folder, asked), { code: 'labels_needed' })
  await assert.rejects(place.verify(folder, asked, labelRows([T0 + 2, T0 + 2, T0 + 3], users(0n, 1n, 2n))), {
    code: 'labels_changed',
  })
})
