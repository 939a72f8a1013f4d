// What the examples of doc comments speak of without declaring it: a project about flights, and an open store that holds it.
// They see this file as `./features.ts`; what it writes lies beside it.
import { join } from 'node:path'
import { connect, type FeatureClient } from '@asof/client'
import { duckdbParquetFiles } from '@asof/duckdb'
import { createServer, type FeatureServer } from '@asof/server'
import { DuckDBInstance } from '@duckdb/node-api'
import {
  applyDefinitions,
  entity,
  featureGroup,
  featureService,
  float64,
  int32,
  memoryRegistry,
  onDemand,
  openFeatureStore,
  parquet,
  parseInstant,
  project,
  request,
  string,
  timestamp,
  type FeatureStore,
  type Instant,
  type ParquetFiles,
  type Registry,
  type Snapshot,
} from 'asof'

const folder = import.meta.dirname
const duckdb = await (await DuckDBInstance.create(':memory:')).connect()
await duckdb.run(`COPY (SELECT TIMESTAMP '2024-01-01 10:10:00' AS date, 'LAX' AS origin, unnest([10, 15]) AS delay)
                  TO '${folder}/flights.parquet'`)
await duckdb.run(`COPY (SELECT TIMESTAMPTZ '2024-01-01 13:00:00Z' AS scheduled, 'LAX' AS airport)
                  TO '${folder}/labels.parquet'`)
duckdb.closeSync()

export const noon: Instant = parseInstant('2024-01-01T12:00:00Z')
export const now: Instant = parseInstant('2024-01-02T00:00:00Z')
export const scheduled: bigint = BigInt(noon)

const date = { column: 'date', zone: 'UTC' } as const
export const airport = entity('airport', { keys: { airport: string() } })
export const user = entity('user', { keys: { user_id: string() } })
export const flights = parquet('flights', {
  path: 'flights.parquet',
  eventTime: date,
  created: { delay: '30m' },
})
export const flight = request('flight', { fields: { scheduled: timestamp() } })

export const hourly = featureGroup('airport_hourly', {
  entity: airport,
  sources: [flights],
  every: '1h',
  query: `SELECT origin AS airport, date_trunc('hour', date) + INTERVAL 1 HOUR AS event_timestamp,
                 avg(delay) AS delay_mean FROM flights GROUP BY ALL`,
  features: { delay_mean: float64() },
})
export const daily = featureGroup('airport_daily', { entity: airport, features: { flights: int32() } })
export const userStats = featureGroup('user_stats', { entity: user, features: { orders: int32() } })
export const context = onDemand('flight_context', {
  module: import.meta.url,
  inputs: { scheduled: flight.field('scheduled') },
  features: { hour_of_day: int32() },
  compute: (asked) => ({
    hour_of_day: asked.scheduled === null ? null : Number((asked.scheduled / 3_600_000_000n) % 24n),
  }),
})
export const delayModel = featureService('delay_model', {
  features: [hourly, context, daily.pick('flights')],
  consumers: [{ model: 'delay', version: '7', team: 'ops-ml' }],
})
export const hourlyModel = featureService('hourly_model', { features: [hourly] })
const flightsProject = project('flights', [delayModel, userStats])

export const store: FeatureStore = await openFeatureStore({
  project: flightsProject,
  projectFolder: folder,
  folder: 'store',
  threads: 1,
  memoryMb: 256,
  wall: () => now,
})
await store.apply()
await store.materialize(hourly)
await store.drain()

export const server: FeatureServer = createServer({ store })
export const url: string = (await server.listen({ host: '127.0.0.1', port: 0 })).url
export const client: FeatureClient = connect(url)

/** Of two revisions: with `hourly` alone, then with `hourlyModel` too. */
export const registry: Registry = memoryRegistry()
for (const declared of [hourly, hourlyModel]) {
  const { definitions } = project('flights', [declared])
  await applyDefinitions(registry, 'flights', definitions, { now: () => now, author: 'ann', message: '' })
}

export const parquetFiles: ParquetFiles = duckdbParquetFiles({
  folders: [folder],
  tempFolder: join(folder, 'temp'),
})
export const snapshot: Snapshot = await store.snapshot()

/** Lets go of everything, so that the process can end. */
export async function close(): Promise<void> {
  await client.close()
  await server.close({ drainMs: 0 })
  await store.close()
}
