// Everything about times that a store does, printed: the parent runs this in several zones of the machine.
import {
  csv,
  entity,
  featureGroup,
  featureService,
  int64,
  jsonl,
  onDemand,
  project,
  sql,
  string,
  timestamp,
  isAsofError,
} from '@asof/core'
import { HOUR, NOON, openFaultStore } from './fault-store.ts'

const user = entity('user', { keys: { user: string(), since: timestamp() } })
const zero = { delay: '0s' } as const
const local = csv('local', { path: 'local.csv', eventTime: { column: 'at', zone: 'UTC' }, created: zero })
const zoned = csv('zoned', {
  path: 'local.csv',
  eventTime: { column: 'at', zone: 'America/New_York' },
  created: zero,
})
const naive = csv('naive', { path: 'local.csv', eventTime: 'at', created: zero })
const lines = jsonl('lines', { path: 'lines.jsonl', eventTime: 'at', created: zero })
const cast = sql('cast_times', {
  sources: [lines],
  query: `SELECT "user", since::TIMESTAMPTZ AS since, "at"::TIMESTAMPTZ::TIMESTAMP AS "at",
                 date_trunc('day', "at"::TIMESTAMPTZ) AS day, strftime("at"::TIMESTAMPTZ, '%Y-%m-%d %H') AS hour FROM lines`,
  eventTime: { column: 'at', zone: 'UTC' },
  created: zero,
})
const key = { entity: user }
const one = featureGroup('one', { ...key, source: local, features: { n: int64() } })
const two = featureGroup('two', { ...key, source: zoned, features: { n: int64() }, partition: 'day' })
const three = featureGroup('three', { ...key, source: naive, features: { n: int64() } })
const four = featureGroup('four', { ...key, source: cast, features: { day: timestamp(), hour: string() } })
const five = featureGroup('five', {
  ...key,
  sources: [lines],
  every: '1d',
  query: `SELECT "user", since::TIMESTAMPTZ AS since, date_trunc('day', "at"::TIMESTAMPTZ) + INTERVAL 1 DAY AS event_timestamp,
                 count(*) AS days FROM lines GROUP BY ALL`,
  features: { days: int64() },
})
const context = onDemand('context', {
  module: import.meta.url,
  inputs: { seen: five.eventTime() },
  features: { ago: int64() },
  compute: ({ seen }, now) => ({ ago: seen === null ? null : BigInt(now - seen) }),
})
const model = featureService('model', { features: [one, four, five, context] })

const faults = await openFaultStore(project('zones', [model, two, three]))
const { store } = faults
await faults.write(
  'local.csv',
  'user,since,at,n\na,2020-01-01T00:00:00Z,2024-03-10 02:30:00,1\na,2020-01-01T00:00:00Z,2024-03-11T01:00:00,2\n',
)
await faults.write('lines.jsonl', [
  { user: 'a', since: '2020-01-01T00:00:00Z', at: '2024-03-10T02:30:00Z' },
  { user: 'a', since: '2020-01-01T05:45:00+05:45', at: '2024-03-10T23:30:00Z' },
])
await store.apply()
const shown = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part))
console.log(`zone ${Intl.DateTimeFormat().resolvedOptions().timeZone}`)
for (const group of [one, two, three, four, five]) {
  try {
    console.log(shown(await store.materialize(group)))
  } catch (error) {
    console.log(isAsofError(error) ? `${error.code} ${error.message}` : error)
  }
  console.log(shown(await faults.table(group.definition.name)))
}
console.log(shown(await store.quarantine.list()))
const keys = { user: 'a', since: 1_577_836_800_000_000n }
console.log(shown(await store.get(model, keys)))
faults.clock.now += HOUR
console.log(shown(await store.get(model, keys, { asOf: NOON })))
const { rows, manifest } = await faults.train(model, {
  user: [{ kind: 'string' }, ['a', 'a']],
  since: [{ kind: 'timestamp' }, [keys.since, keys.since]],
  at: [{ kind: 'timestamp' }, [BigInt(NOON), 1_710_030_600_000_000n]],
})
console.log(shown(rows), manifest.labels.fingerprint)
await faults[Symbol.asyncDispose]()
