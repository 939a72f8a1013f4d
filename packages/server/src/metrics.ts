import type { FeatureStore, StoreProgress, Telemetry } from '@asof/core'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { ServerState } from './context.ts'
import {
  CounterFamily,
  gaugeText,
  HistogramFamily,
  SECONDS_BUCKETS,
  SIZE_BUCKETS,
  type GaugeValue,
} from './metrics-family.ts'

/** What a server counts and measures, and the page that a Prometheus reads. */
export interface ServerMetrics {
  /** Give it to the store when it is opened, and to the server: what both count is on one page. */
  readonly telemetry: Telemetry
  /** The page, in the text format of Prometheus; gauges of the store are as old as a second. */
  text(store: FeatureStore, state: ServerState): Promise<string>
}

/** Content type of the page. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** What each name is about. A name that is not here has a page of its own in no reference, but is still counted. */
const HELP: Readonly<Record<string, string>> = {
  asof_request_seconds: 'Time from the first byte of a request to the last of its answer.',
  asof_stage_seconds: 'Time that the stages of a request took: parse, lookup, write; push, stage.',
  asof_values: 'Values looked up, by service and status.',
  asof_pushed_rows: 'Rows that were pushed, by group and what became of them.',
  asof_pushed_bytes: 'Sizes of the bodies of pushes.',
  asof_online_read_failures: 'Reads of the online store that failed; their values answered error.',
  asof_sink_failures: 'Steps of the sinks that failed and were tried again.',
  asof_rows_applied: 'Rows that became the newest of their key online.',
  asof_rows_held: 'Rows that were held because they are dated ahead.',
  asof_runs_overdue: 'Live runs whose rows could be read only after their promised time.',
  asof_source_rows_too_late: 'Source rows that came too late for every run.',
  asof_log_clock_behind: 'Appends while the wall clock lay behind the last append.',
  asof_log_clock_stalled: 'Readings of the clock while the disk took no new ceiling.',
  asof_scrape_failures: 'Times that the store could not be looked at for this page.',
}

/** How long a look at the store is believed, in milliseconds. */
const PROGRESS_AGE_MAX_MS = 1_000

/**
 * Makes what a server counts with: a registry of its own, so that several servers of one process do not mix.
 *
 * Counters are named as core names them with `_total` behind; measurements in `_seconds` become histograms from 50 µs. No
 * label ever holds a key or a value, and a name has at most `SERIES_MAX` series.
 *
 * @param nowMs tells the time in milliseconds
 * @example
 * ```ts
 * const metrics = serverMetrics()
 * const shop = { project: project('shop', [userStats]), projectFolder: import.meta.dirname, folder: 'shop' }
 * await using store = await openFeatureStore({ ...shop, telemetry: metrics.telemetry })
 * ```
 */
export function serverMetrics(nowMs: () => number = () => performance.now()): ServerMetrics {
  const counters = new Map<string, CounterFamily>()
  const histograms = new Map<string, HistogramFamily>()
  const telemetry: Telemetry = {
    count(name, by, labels = {}) {
      let family = counters.get(name)
      if (family === undefined) {
        family = new CounterFamily(name.endsWith('_total') ? name : `${name}_total`, HELP[name] ?? 'Counted.')
        counters.set(name, family)
      }
      family.add(by, labels)
    },
    observe(name, value, labels = {}) {
      let family = histograms.get(name)
      if (family === undefined) {
        const bounds = name.endsWith('_seconds') ? SECONDS_BUCKETS : SIZE_BUCKETS
        family = new HistogramFamily(name, HELP[name] ?? 'Measured.', bounds)
        histograms.set(name, family)
      }
      family.observe(value, labels)
    },
  }
  let ofProcess: Registry | undefined
  let seen: { readonly progress: Promise<StoreProgress>; readonly at: number } | undefined

  /** One look a second, whoever asks. */
  const progressOf = async (store: FeatureStore): Promise<StoreProgress | undefined> => {
    if (seen === undefined || nowMs() - seen.at >= PROGRESS_AGE_MAX_MS) {
      seen = { progress: store.progress(), at: nowMs() }
    }
    try {
      return await seen.progress
    } catch {
      telemetry.count('asof_scrape_failures', 1)
      return undefined
    }
  }

  return {
    telemetry,
    async text(store, state) {
      // From the first page on, as they cost timers and observers of the process.
      if (ofProcess === undefined) collectDefaultMetrics({ register: (ofProcess = new Registry()) })
      const progress = await progressOf(store)
      return [
        ...[...counters.values(), ...histograms.values()].map((family) => family.text()),
        ...gauges(state, progress).map(([name, help, values]) => gaugeText(name, help, values)),
        await ofProcess.metrics(),
      ].join('\n')
    },
  }
}

type Gauge = readonly [name: string, help: string, values: readonly GaugeValue[]]

function gauges(state: ServerState, progress: StoreProgress | undefined): readonly Gauge[] {
  const ofServer: Gauge[] = [
    ['asof_connections', 'Connections open now.', [{ value: state.connections }]],
    ['asof_requests_in_flight', 'Requests being answered now.', [{ value: state.inFlight }]],
  ]
  if (progress === undefined) return ofServer
  const { now, groups, sinks, end } = progress
  const seconds = (micros: number): number => micros / 1e6
  const age = (through: number): number => Math.max(0, seconds(now - through))
  const bySink = (value: (sink: typeof sinks.online) => number): GaugeValue[] => [
    { labels: { sink: 'online' }, value: value(sinks.online) },
    { labels: { sink: 'offline' }, value: value(sinks.offline) },
  ]
  const byGroup = (value: (group: (typeof groups)[number]) => number | undefined): GaugeValue[] =>
    groups.flatMap((group) => {
      const of = value(group)
      return of === undefined ? [] : [{ labels: { group: group.group }, value: of }]
    })
  return [
    ...ofServer,
    [
      'asof_group_freshness_seconds',
      'Age of the instant up to which the group is complete.',
      byGroup(({ completeThrough }) => completeThrough && age(completeThrough)),
    ],
    [
      'asof_group_freshness_promise_seconds',
      'How old that instant may be.',
      byGroup(({ freshness }) => freshness && seconds(freshness)),
    ],
    [
      'asof_group_lag_seconds',
      'How long ago the oldest record was appended that lookups of the group do not see yet.',
      byGroup(({ online }) => age((online ? sinks.online : sinks.offline).through)),
    ],
    ['asof_log_end_position', 'The position that the next record takes.', [{ value: end }]],
    [
      'asof_sink_position',
      'The first position that a sink has not applied.',
      bySink(({ position }) => position),
    ],
    [
      'asof_sink_lag_positions',
      'Positions that a sink has not applied.',
      bySink(({ position }) => end - position),
    ],
    [
      'asof_sink_lag_seconds',
      'How long ago the oldest of them was appended.',
      bySink(({ through }) => age(through)),
    ],
    [
      'asof_sink_failing',
      'Whether this process fails to follow the log at the moment.',
      [{ value: progress.failure === undefined ? 0 : 1 }],
    ],
    ['asof_registry_revision', 'Revision of the definitions in use.', [{ value: progress.revision ?? 0 }]],
    [
      'asof_snapshot_age_seconds',
      'How long ago the registry last answered.',
      progress.lookedAt === undefined ? [] : [{ value: age(progress.lookedAt) }],
    ],
  ]
}
