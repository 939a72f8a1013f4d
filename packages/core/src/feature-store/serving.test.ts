// Serving against the naive engine: random pushes, under a clock that also steps back, looked up now, at decision
// times in the recent past, and by many keys at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { naiveValue, propertyRuns } from '@asof/testing'
import type { Instant } from '../clock/instant.ts'
import { MICROS } from '../clock/instant.ts'
import type { FeatureRow } from '../model/feature-row.ts'
import { SINK_SETTINGS } from '../ingest/sinks.ts'
import { memoryEventLog } from '../memory/memory-event-log.ts'
import { memoryOnlineStore } from '../memory/memory-online-store.ts'
import { memoryRegistry } from '../memory/memory-registry.ts'
import { entity } from '../model/entity.ts'
import { featureGroup } from '../model/feature-group.ts'
import { featureService } from '../model/feature-service.ts'
import { project } from '../model/project.ts'
import { float64, int64, string } from '../model/typed-field.ts'
import type { OnlineStore } from '../ports/online-store.ts'
import { FeatureStore, type FeatureStoreParts } from './feature-store.ts'

const START = 1_700_000_000_000_000
const user = entity('user', { keys: { user: string() } })
const features = { score: float64(), visits: int64() }

const PROJECTS = [
  { ttl: undefined, boundary: 'inclusive' },
  { ttl: '2s', boundary: 'inclusive' },
  { ttl: '1s', boundary: 'exclusive' },
  { ttl: '0s', boundary: 'inclusive' },
] as const

/** Parts that these tests never reach; reaching one fails the test by name. */
function absent<T extends object>(name: string, there: Partial<NoInfer<T>> = {}): T {
  return new Proxy(there as T, {
    get(_, property) {
      if (Object.hasOwn(there, property)) return there[property as keyof T]
      if (property === Symbol.asyncDispose) return async () => {}
      throw new Error(`${name}.${String(property)} is not part of this test`)
    },
  })
}

function openStore(
  rule: (typeof PROJECTS)[number],
  wall: () => Instant,
  online: OnlineStore = memoryOnlineStore(),
) {
  const { ttl, ...rest } = rule
  const stats = featureGroup('stats', { entity: user, features, ...rest, ...(ttl !== undefined && { ttl }) })
  const model = featureService('model', { features: [stats] })
  const parts: FeatureStoreParts = {
    registry: memoryRegistry(),
    log: memoryEventLog({ wall }),
    online,
    offline: absent('offline'),
    engine: absent('engine'),
    parquet: absent('parquet'),
    // Nothing is staged here, which is all that the sinks' tending asks.
    staging: absent('staging', { list: async () => [] }),
    sources: absent('sources'),
    trainingFiles: absent('trainingFiles'),
    tablesIn: () => absent('tables'),
    writer: 'test',
    naive: naiveValue,
    timing: { sleep: async () => {}, after: () => () => {} },
    owner: '1:test',
  }
  const settings = { sinks: { ...SINK_SETTINGS, pruneMs: 0 } }
  return { store: new FeatureStore(parts, project('shop', [model]), settings), model, stats }
}

const keyArb = fc.constantFrom('a', 'b', 'c:d', 'é/{}%')
const stepArb = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      rows: fc.array(rowArb(), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      micros: fc.oneof(
        fc.constantFrom(0, 1, 2),
        fc.integer({ min: 0, max: 3 * MICROS.second }),
        fc.integer({ min: -2 * MICROS.second, max: 0 }),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('long' as const), hours: fc.constantFrom(0.4, 0.7, 1.1) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('get' as const),
      key: keyArb,
      back: fc.option(
        fc.oneof(
          fc.constantFrom(0, 1),
          fc.integer({ min: 0, max: 4 * MICROS.second }),
          fc.integer({ min: 0, max: MICROS.hour }),
        ),
      ),
      near: fc.constantFrom(undefined, -1, 0, 1),
    }),
  },
)

function rowArb() {
  return fc.record({
    key: keyArb,
    shift: fc.oneof(
      fc.constantFrom(0, 1, -1),
      fc.integer({ min: -4 * MICROS.second, max: 2 * MICROS.second }),
    ),
    score: fc.option(fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1.5)),
    visits: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    tombstone: fc.nat(9).map((roll) => roll === 0),
    sameTime: fc.boolean(),
  })
}

for (const rule of PROJECTS) {
  test(`serving equals the naive engine: ttl ${rule.ttl}, ${rule.boundary}`, async () => {
    const micros = rule.ttl === undefined ? undefined : Number.parseInt(rule.ttl) * MICROS.second
    await fc.assert(
      fc.asyncProperty(fc.array(stepArb, { minLength: 3, maxLength: 30 }), async (steps) => {
        let wall = START
        const { store, model, stats } = openStore(rule, () => wall as Instant)
        await store.apply()
        const rows: FeatureRow[] = []
        let lastEvent = START
        for (const step of steps) {
          if (step.do === 'pass') wall += step.micros
          else if (step.do === 'long') wall += step.hours * MICROS.hour
          else if (step.do === 'push') {
            const pushed = step.rows.map((row) => {
              const e = row.sameTime ? lastEvent : wall + row.shift
              lastEvent = e
              const base = { user: row.key, event_timestamp: e }
              return row.tombstone
                ? { ...base, _deleted: true }
                : { ...base, score: row.score, visits: row.visits }
            })
            const { at, position } = await store.push(stats, pushed, undefined, { wait: 'applied' })
            pushed.forEach((row, index) => {
              const deleted = '_deleted' in row
              const values = deleted ? [] : [row.score, row.visits]
              const stamp = { e: row.event_timestamp as Instant, c: at, s: position + index }
              rows.push({ ...stamp, key: [row.user], values, deleted })
            })
          } else {
            await store.drain({ offline: false })
            const now = await nowOf(store)
            const border =
              step.near === undefined || rows.length === 0 ? undefined : rows.at(-1)!.e + step.near
            const asked = border ?? (step.back === null ? undefined : now - step.back)
            const at =
              asked !== undefined && asked <= now && asked > now - MICROS.hour
                ? (asked as Instant)
                : undefined
            const vector = await store.get(model, { user: step.key }, at === undefined ? {} : { at })
            const expected = naiveValue(rows, [step.key], vector.$at, {
              ttl: micros,
              boundary: rule.boundary,
              knowledge: 'as-known',
            })
            const row = expected.row
            const status = row === undefined ? expected.status : row.values[0] === null ? 'null' : 'present'
            assert.equal(vector.$statuses['score'], status)
            assert.ok(Object.is(vector.score, row?.values[0] ?? null))
            assert.equal(vector.visits, row?.values[1] ?? null)
            assert.equal(vector.$eventTimes['score'], row?.e ?? null)
          }
        }
        await store.close()
      }),
      propertyRuns(2),
    )
  })
}

async function nowOf(store: FeatureStore): Promise<Instant> {
  const probe = await store.get('model', { user: 'nobody' })
  return probe.$at
}
