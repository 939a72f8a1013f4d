import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceShape } from '../apply/service-shape.ts'
import type { AppliedGroup } from '../apply/snapshot.ts'
import { MICROS, type Instant } from '../clock/instant.ts'
import type { GroupDefinition } from '../model/definition.ts'
import type { DataFile, TableSnapshot } from '../ports/offline-store.ts'
import { explainTraining, trainingPlan, type TrainingPlanInputs } from './training-plan.ts'

const DAY = MICROS.day
/** 2024-01-01. */
const T0 = 1_704_067_200_000_000

function plan(
  ttl: GroupDefinition['ttl'] | undefined,
  files: readonly DataFile[],
  more: Partial<TrainingPlanInputs> = {},
): ReturnType<typeof trainingPlan> {
  const definition: GroupDefinition = {
    kind: 'group',
    name: 'scores',
    version: 1,
    entity: 'user',
    key: {},
    compute: { from: 'push' },
    features: [
      { name: 'unused', type: { kind: 'string' } },
      { name: 'score', type: { kind: 'float64' } },
    ],
    delay: '0s',
    boundary: 'inclusive',
    online: true,
    status: 'active',
    unknownColumns: 'strict',
    partition: 'none',
    ...(ttl !== undefined && { ttl }),
  }
  const entity = {
    kind: 'entity',
    name: 'user',
    keys: [{ name: 'user_id', type: { kind: 'int64' } }],
  } as const
  const group: AppliedGroup = { definition, entity, schemas: [], firstApplied: T0 as Instant }
  const shape: ServiceShape = {
    service: { kind: 'service', name: 'model', features: [], consumers: [] },
    keys: [{ name: 'buyer', type: { kind: 'int64' } }],
    slots: [{ group, keyNames: ['buyer'] }],
    request: [],
    onDemand: [],
    outputs: [
      { name: 'score', type: { kind: 'float64' }, default: undefined, from: 'slot', slot: 0, feature: 1 },
    ],
  }
  const table = { table: 'p/scores/v1', version: 7, files } as unknown as TableSnapshot
  return trainingPlan({
    project: 'p',
    shape,
    at: { column: 'at' },
    knowledge: 'as-known',
    statuses: false,
    eventTimes: false,
    labels: 2,
    labelColumns: ['buyer', 'at'],
    range: { first: T0 as Instant, last: (T0 + DAY) as Instant },
    tables: new Map([['scores@1', table]]),
    ...more,
  })
}

function file(name: string, min: Record<string, number>, max: Record<string, number>): DataFile {
  return { localPath: name, bytes: 1, rows: 1, constants: {}, min, max }
}
const dated = (name: string, from: number, to: number): DataFile =>
  file(name, { event_timestamp: from }, { event_timestamp: to })
const kept = (given: ReturnType<typeof plan>): string[] =>
  given.slots[0]!.files.map(({ localPath }) => localPath)

test('a file is read exactly if a row of it could make a difference', () => {
  // The last microsecond that `expired` needs: first label - ttl - max(ttl, 1 d).
  for (const [ttl, reach] of [
    ['1h', DAY + MICROS.hour],
    ['3d', 6 * DAY],
  ] as const) {
    const files = [
      dated('too old', 0, T0 - reach - 1),
      dated('just old enough', 0, T0 - reach),
      dated('at the last label', T0 + DAY, T0 + 2 * DAY),
      dated('after the last label', T0 + DAY + 1, T0 + 2 * DAY),
    ]
    assert.deepEqual(kept(plan(ttl, files)), ['just old enough', 'at the last label'])
    assert.equal(plan(ttl, files).slots[0]?.filesTotal, 4)
    assert.equal(plan(ttl, files).slots[0]?.eMin, T0 - reach)
  }
  assert.deepEqual(kept(plan(undefined, [dated('without a ttl nothing is too old', 0, 1)])).length, 1)
  assert.deepEqual(kept(plan('1h', [file('nothing is known of it', {}, {})])).length, 1)
})

test('a file whose rows all became known later is left out, except in event-time mode', () => {
  const late = [
    file('late', { event_timestamp: T0, created_timestamp: T0 + DAY + 1 }, { event_timestamp: T0 }),
  ]
  const known = [file('known', { event_timestamp: T0, created_timestamp: T0 + DAY }, { event_timestamp: T0 })]
  assert.deepEqual(kept(plan(undefined, late)), [])
  assert.deepEqual(kept(plan(undefined, known)), ['known'])
  assert.deepEqual(kept(plan(undefined, late, { knowledge: 'event-time' })), ['late'])
})

test('only the features that are asked for are read, and a plan is frozen', () => {
  const given = plan('1h', [])
  assert.deepEqual(given.slots[0]?.features, [{ index: 1, name: 'score', type: { kind: 'float64' } }])
  assert.ok(Object.isFrozen(given) && Object.isFrozen(given.slots) && Object.isFrozen(given.slots[0]))
})

test('explain says what is read and how', () => {
  assert.equal(
    explainTraining(plan('1h', [dated('a', T0, T0), dated('b', 0, 1)])),
    [
      'training set of model: 2 labels by `at`, 2024-01-01T00:00:00.000000Z to 2024-01-02T00:00:00.000000Z',
      'rows count from their event time and their created time on',
      '  scores@1 by (user_id = buyer): p/scores/v1, version 7, 1 of 2 files',
      "    rows with event time up to the label's, at most 1h old",
      '    score float64',
    ].join('\n'),
  )
})
