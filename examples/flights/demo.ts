// The main job, end to end, on three million real flights. `npm run demo`, or `npm run demo -- --rows 100000`.
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  openFeatureStore,
  parseInstant,
  startProgress,
  type FeatureStore,
  type MaterializeResult,
} from 'asof'
import { prepareFlights, prepareLabels } from './flight-data.ts'
import { compareJoins } from './compare-joins.ts'
import definitions, { airportDelays, delayModel, routeDelays } from './definitions.ts'
import { lookUps } from './look-ups.ts'

const folder = import.meta.dirname
const { values: options } = parseArgs({
  options: { rows: { type: 'string', default: '3000000' }, fresh: { type: 'boolean', default: false } },
})
const rows = Number(options.rows)
if (!Number.isInteger(rows) || rows < 10_000) {
  console.error('--rows takes a whole number, 10000 or more')
  process.exit(2)
}
const storeFolder = '.asof'
const END = parseInstant('2001-07-01T00:00:00Z')
const started = performance.now()

title(1, rows === 3_000_000 ? 'Three million flights' : `${count(rows)} of three million flights`)
const flights = await prepareFlights(folder, rows)
// A store of other flights, or one that is not wanted any more, would only confuse.
if (flights.fresh || options.fresh) await rm(join(folder, storeFolder), { recursive: true, force: true })
say(
  `${count(flights.rows)} US flights, January to June 2001 (${flights.fresh ? 'taken from vega-datasets' : 'already there'})`,
)
say('their times are local and have no zone; they are taken as UTC here')

title(2, 'Definitions')
await using store = await openFeatureStore({
  project: definitions,
  projectFolder: folder,
  folder: storeFolder,
})
const applied = await store.apply({ author: 'demo', message: 'the flights example' })
say(
  applied.committed
    ? `applied ${applied.plan.changes.length} definitions: ${applied.plan.changes.map((change) => change.id).join(', ')}`
    : 'already applied',
)

title(3, 'Materialize: the schedule replayed, every value as it was known then')
for (const group of [airportDelays, routeDelays]) await materialize(store, group)

title(4, 'A training set without a value from the future')
const labels = await prepareLabels(folder, storeFolder, flights.path)
const trainingSet = join(folder, storeFolder, 'train', 'as-known')
if (existsSync(trainingSet)) say(`already there: ${trainingSet}`)
else {
  const set = await withProgress('train', (progress) =>
    store.train(delayModel, {
      labels: labels.path,
      at: 'scheduled',
      to: trainingSet,
      eventTimes: true,
      progress,
    }),
  )
  say(
    `${count(set.manifest.labels.rows)} labels (was the flight more than 15 minutes late?), ${set.manifest.features.length} features`,
  )
  for (const group of set.manifest.groups) {
    say(
      `  ${group.group} by ${Object.values(group.keys).join(', ').padEnd(20)} used for ${count(group.rowsUsed)} labels; newest used was ${seconds(group.largestCreatedLead)} old, never from after the label`,
    )
  }
}
const verified = await withProgress('verify', (progress) =>
  store.verify(trainingSet, { sample: 1_000, progress }),
)
say(
  `verified: every file's hash, and ${count(verified.rowsChecked)} rows computed again by the naive engine, ${verified.differenceCount} values different`,
)

title(5, 'Why it matters: the same model, trained three ways')
say(
  "a flight's outcome is known when it has landed; a join on event time alone sees flights that are still in the air",
)
const joins = await compareJoins(store, folder, storeFolder, labels, trainingSet, withProgress)
console.log()
console.log('   features joined                    AUC promised   AUC live')
for (const { name, promised, live } of joins) {
  console.log(`   ${name.padEnd(36)}${promised.toFixed(3).padStart(10)}${live.toFixed(3).padStart(11)}`)
}
console.log()
say(
  'promised: on the last six weeks of its own training set, held out; live: on features as known at each moment',
)

title(6, 'Looking up: over HTTP, and in this process')
await lookUps(store, folder, say)

title(7, 'Next')
say('three commands to try:')
for (const command of [
  'npx asof get delay_model origin=LAX destination=SFO --request scheduled=2001-06-30T17:00:00Z --request distance=337 --as-of 2001-06-30T17:00:00Z --project examples/flights',
  'npx asof table history examples/flights/.asof/offline/flights/airport_delays/v1',
  'npx asof status --project examples/flights',
]) {
  console.log(`   ${command}`)
}
console.log(`\ndone in ${((performance.now() - started) / 1000).toFixed(1)} s`)

async function materialize(
  store: FeatureStore,
  group: typeof airportDelays | typeof routeDelays,
): Promise<void> {
  const name = group.definition.name
  const result = await withProgress(name, (progress) => store.materialize(group, { to: END, progress }))
  say(
    result.runs === 0
      ? `${name}: already there, ${through(result)}`
      : `${name}: ${described(result)}, ${through(result)}`,
  )
}

function described(result: MaterializeResult): string {
  return `${count(result.runs)} runs, ${count(result.rows)} rows, of which ${count(result.corrections)} correct an earlier one as late flights land`
}

function through({ through: last }: MaterializeResult): string {
  return last === undefined ? 'no run' : `through ${new Date(last / 1_000).toISOString().slice(0, 16)}Z`
}

async function withProgress<T>(
  label: string,
  work: (progress: (state: { done: number; total: number; unit: string }) => void) => Promise<T>,
): Promise<T> {
  const report = startProgress(process.stderr, `   ${label}`)
  try {
    return await work(report.update)
  } finally {
    report.stop()
  }
}

function title(step: number, text: string): void {
  console.log(`\n${step}. ${text}`)
}

function say(text: string): void {
  console.log(`   ${text}`)
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function seconds(micros: number | undefined): string {
  return micros === undefined ? '–' : `${(Math.abs(micros) / 1_000_000).toLocaleString('en-US')} s`
}
