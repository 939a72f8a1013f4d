import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type {
  AppliedGroup,
  FeatureType,
  Field,
  GroupDefinition,
  Instant,
  OnDemandDefinition,
  OnDemandFunction,
  Relation,
  TrainRequest,
  Value,
} from '@asof/core'
import { naiveValue } from '@asof/testing'
import { DAY, HORIZON, T0, Workplace, group, labelRows, row, service } from './training-workplace.ts'

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
  const later = new AbortController()
  const progress = (): void => later.abort(new Error('enough'))
  const cancelled = place.train(asked, labelRows([T0], users(1n)), { signal: later.signal, progress })
  await assert.rejects(cancelled, { message: 'enough' })
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
