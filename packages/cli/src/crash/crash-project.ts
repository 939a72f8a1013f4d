// A small project that the crash tests' child processes and their judge share.
import {
  entity,
  featureGroup,
  featureService,
  float64,
  int64,
  jsonl,
  openFeatureStore,
  project,
  string,
} from '../index.ts'
import type { FeatureStore } from '../index.ts'

/** The first and the last run instant that the tests compute, microseconds: 2024-01-01 and two and a half days later. */
export const FIRST = 1_704_067_200_000_000
export const LAST = FIRST + 66 * 3_600_000_000

export const user = entity('user', { keys: { user: string() } })

export const orders = jsonl('orders', {
  path: 'orders.jsonl',
  eventTime: { column: 'placed' },
  created: { column: 'known' },
})

/** Hourly sums with corrections: rows of a schedule. */
export const hourly = featureGroup('hourly', {
  entity: user,
  sources: [orders],
  every: '1h',
  lookback: '3h',
  query: `SELECT "user", time_bucket(INTERVAL 1 HOUR, placed::TIMESTAMPTZ) + INTERVAL 1 HOUR AS event_timestamp,
                 count(*) AS orders, sum(amount) AS amount FROM orders GROUP BY ALL`,
  features: { orders: int64(), amount: float64() },
})

/** Rows that are pushed. */
export const clicks = featureGroup('clicks', { entity: user, features: { count: int64() } })

export const model = featureService('model', { features: [hourly, clicks] })

export async function openCrashStore(folder: string): Promise<FeatureStore> {
  return await openFeatureStore({
    project: project('crash', [model]),
    projectFolder: folder,
    threads: 1,
    memoryMb: 256,
  })
}
