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

/** Every metric of asof by its name in code, with its type and what it is about; the page of metrics says the same. */
export const METRICS: Readonly<
  Record<string, readonly [type: 'counter' | 'histogram' | 'gauge', help: string]>
> = {
  asof_request_seconds: [
    'histogram',
    'Time from the headers of a request to the end of its answer, by method, route and status.',
  ],
  asof_stage_seconds: [
    'histogram',
    'Time that a stage of a request took, by route, service and stage: parse, lookup, assemble, write; push, stage.',
  ],
  asof_values: ['counter', 'Values looked up, by service and status.'],
  asof_pushed_rows: ['counter', 'Rows that were pushed, by group and what became of them.'],
  asof_pushed_bytes: ['histogram', 'Sizes of pushed batches.'],
  asof_requests_shed: ['counter', 'Requests turned away because the server had too much to do.'],
  asof_connections_refused: ['counter', 'Connections turned away, by reason.'],
  asof_online_read_failures: [
    'counter',
    'Reads of the online store that failed; their values answered error.',
  ],
  asof_sink_failures: ['counter', 'Steps of the sinks that failed and were tried again, by code.'],
  asof_rows_applied: ['counter', 'Rows that became the newest of their key online, by group.'],
  asof_rows_held: ['counter', 'Rows that were held because they are dated ahead, by group.'],
  asof_runs_overdue: [
    'counter',
    'Live runs whose rows could be read only after their promised time, by group.',
  ],
  asof_source_rows_too_late: ['counter', 'Source rows that came too late for every run, by group.'],
  asof_log_clock_behind: ['counter', 'Appends while the wall clock lay behind the last append.'],
  asof_log_clock_stalled: ['counter', 'Readings of the clock while the disk took no new ceiling.'],
  asof_scrape_failures: ['counter', 'Times that the store could not be looked at for this page.'],
  asof_connections: ['gauge', 'Connections open now.'],
  asof_requests_in_flight: ['gauge', 'Requests being answered now.'],
  asof_group_freshness_seconds: ['gauge', 'Age of the instant up to which a group is complete.'],
  asof_group_freshness_promise_seconds: [
    'gauge',
    'How old that instant may be, where the group promises it.',
  ],
  asof_group_lag_seconds: [
    'gauge',
    'How long ago the oldest record was appended that lookups of a group do not see yet.',
  ],
  asof_log_end_position: ['gauge', 'The position that the next record of the log takes.'],
  asof_sink_position: ['gauge', 'The first position that a sink has not applied.'],
  asof_sink_lag_positions: ['gauge', 'Positions that a sink has not applied.'],
  asof_sink_lag_seconds: ['gauge', 'How long ago the oldest of them was appended.'],
  asof_sink_failing: ['gauge', 'Whether this process fails to follow the log at the moment: 1 or 0.'],
  asof_registry_revision: ['gauge', 'Revision of the definitions in use.'],
  asof_snapshot_age_seconds: ['gauge', 'How long ago the registry last answered.'],
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
        family = new CounterFamily(name.endsWith('_total') ? name : `${name}_total`, helpOf(name))
        counters.set(name, family)
      }
      family.add(by, labels)
    },
    observe(name, value, labels = {}) {
      let family = histograms.get(name)
      if (family === undefined) {
        const bounds = name.endsWith('_seconds') ? SECONDS_BUCKETS : SIZE_BUCKETS
        family = new HistogramFamily(name, helpOf(name), bounds)
        histograms.set(name, family)
      }
      family.observe(value, labels)
    },
  }
  let ofProcess: Registry | undefined
  let seen: { readonly progress: Promise<StoreProgress | undefined>; readonly at: number } | undefined

  /** One look a second, whoever asks. */
  const progressOf = async (store: FeatureStore): Promise<StoreProgress | undefined> => {
    if (seen === undefined || nowMs() - seen.at >= PROGRESS_AGE_MAX_MS) {
      const progress = store.progress().catch(() => {
        telemetry.count('asof_scrape_failures', 1)
        return undefined
      })
      seen = { progress, at: nowMs() }
    }
    return await seen.progress
  }

  return {
    telemetry,
    async text(store, state) {
      // From the first page on, as they cost timers and observers of the process.
      if (ofProcess === undefined) collectDefaultMetrics({ register: (ofProcess = new Registry()) })
      const progress = await progressOf(store)
      return [
        ...[...counters.values(), ...histograms.values()].map((family) => family.text()),
        ...gauges(state, progress).map(([name, values]) => gaugeText(name, helpOf(name), values)),
        await ofProcess.metrics(),
      ].join('\n')
    },
  }
}

/** A name that is not of asof's own is counted all the same. */
function helpOf(name: string): string {
  return METRICS[name]?.[1] ?? 'Counted.'
}

type Gauge = readonly [name: string, values: readonly GaugeValue[]]

function gauges(state: ServerState, progress: StoreProgress | undefined): readonly Gauge[] {
  const ofServer: Gauge[] = [
    ['asof_connections', [{ value: state.connections }]],
    ['asof_requests_in_flight', [{ value: state.inFlight }]],
  ]
  if (progress === undefined) return ofServer
  const { now, groups, sinks, end, lookedAt, failure, revision = 0 } = progress
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
      byGroup(({ completeThrough }) => completeThrough && age(completeThrough)),
    ],
    ['asof_group_freshness_promise_seconds', byGroup(({ freshness }) => freshness && seconds(freshness))],
    ['asof_group_lag_seconds', byGroup(({ online }) => age((online ? sinks.online : sinks.offline).through))],
    ['asof_log_end_position', [{ value: end }]],
    ['asof_sink_position', bySink(({ position }) => position)],
    ['asof_sink_lag_positions', bySink(({ position }) => end - position)],
    ['asof_sink_lag_seconds', bySink(({ through }) => age(through))],
    ['asof_sink_failing', [{ value: failure === undefined ? 0 : 1 }]],
    ['asof_registry_revision', [{ value: revision }]],
    ['asof_snapshot_age_seconds', lookedAt === undefined ? [] : [{ value: age(lookedAt) }]],
  ]
}
