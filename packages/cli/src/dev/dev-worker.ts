import { mkdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { EXIT_CODES, groupId, isAsofError, type FeatureStore, type Instant, type Telemetry } from '@asof/core'
import { createServer, metricsRoute, serverMetrics, type RouteModule } from '@asof/server'
import { shownPlan } from '../commands/definitions.ts'
import { openFeatureStore } from '../embedded.ts'
import { countOf, formatCount } from '../figures.ts'
import { findProject, type ProjectOptions } from '../find-project.ts'
import { reportError } from '../report-error.ts'
import type { Terminal } from '../terminal.ts'
import { asofVersion } from '../version.ts'
import { nextRun } from './due.ts'

/** What the watching process tells the one that works; `listen` once the one before it has stopped. */
export type DevOrder = 'listen' | 'data' | 'stop'
/** What it is told: the definitions are applied, the server listens. */
export type DevNews = 'applied' | 'listening'

/** How the work is done. */
export interface DevOptions extends ProjectOptions {
  readonly port: number
  readonly allowBreaking: boolean
}

/** Where orders come from and news go to. */
export interface DevLine {
  /** Resolves with the next order; once the other side is gone, always with `stop`. */
  next(): Promise<DevOrder>
  tell(news: DevNews): void
}

/** Counts are said at most this often. */
const COUNTS_EVERY_MS = 1_000
/** Timers are set for less than this, and set again. */
const WAIT_MS_MAX = 3_600_000

/**
 * The working half of `asof dev`, a process of its own so that it has the code as it is now: applies the definitions, and
 * when told to, serves and materializes what is due until it is told to stop.
 *
 * @returns the exit code
 */
export async function devWork(terminal: Terminal, options: DevOptions, line: DevLine): Promise<number> {
  const { config, projectFolder } = await findProject(options)
  const counts = new Counts()
  const metrics = serverMetrics()
  const telemetry = counts.over(metrics.telemetry)
  await using store = await openFeatureStore({ ...config, projectFolder, telemetry })
  if (!(await applyAll(store, terminal, options.allowBreaking))) return EXIT_CODES.conflict
  line.tell('applied')
  if ((await line.next()) === 'stop') return 0
  const incoming = join(resolve(projectFolder, config.folder ?? '.asof'), 'incoming')
  await mkdir(incoming, { recursive: true })
  await using server = createServer({
    store,
    telemetry,
    incoming,
    version: asofVersion,
    watchers: [metricsRoute(metrics), counts.route],
  })
  store.start()
  const { url } = await server.listen({ host: '127.0.0.1', port: options.port })
  line.tell('listening')
  say(
    terminal,
    { event: 'serving', url, project: store.project },
    `serving ${store.project} at ${terminal.colours.bold(url)}, reference at ${url}/docs`,
  )
  const stop = new AbortController()
  const saying = setInterval(() => counts.sayTo(terminal), COUNTS_EVERY_MS)
  const due = new Due()
  const materializing = keepMaterialized(store, terminal, due, stop.signal)
  try {
    for (let order = await line.next(); order !== 'stop'; order = await line.next()) {
      if (order === 'data') due.now()
    }
  } finally {
    stop.abort()
    due.now()
    clearInterval(saying)
    await materializing
    counts.sayTo(terminal)
  }
  return 0
}

/** Applies what is defined; a breaking change that nobody allowed is shown, and nothing is changed. */
async function applyAll(store: FeatureStore, terminal: Terminal, allowBreaking: boolean): Promise<boolean> {
  const plan = await store.plan()
  const shown = shownPlan(plan, terminal.colours)
  const never = plan.severity === 'forbidden'
  if (never || (plan.severity === 'breaking' && !allowBreaking)) {
    const advice = `not applied: raise the version of what changes${never ? '' : ', or start `asof dev --allow-breaking`'}`
    say(terminal, { event: 'refused', changes: plan.changes }, `${advice}\n${shown}`)
    return false
  }
  const { committed, snapshot } = await store.apply({ author: author(), message: 'asof dev', allowBreaking })
  const number = snapshot.revision?.number ?? 0
  const document = { event: 'applied', committed, revision: number, changes: plan.changes }
  say(
    terminal,
    document,
    committed ? `applied, revision ${number}\n${shown}` : `nothing to apply, at revision ${number}`,
  )
  return true
}

/** Materializes all groups that have a source: at once, at each run instant, and when their data changes. */
async function keepMaterialized(
  store: FeatureStore,
  terminal: Terminal,
  due: Due,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { groups } = await store.snapshot()
    const computed = [...groups.values()].filter(({ definition }) => definition.compute.from !== 'push')
    for (const { definition } of computed) {
      if (signal.aborted) return
      await materialized(store, terminal, groupId(definition), signal)
    }
    const now = (Date.now() * 1_000) as Instant
    const next = computed.flatMap(({ definition }) => nextRun(definition, now) ?? [])
    const wait = Math.min(WAIT_MS_MAX, ...next.map((at) => (at - now) / 1_000))
    await due.within(wait)
  }
}

async function materialized(
  store: FeatureStore,
  terminal: Terminal,
  group: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const result = await terminal.during(`materializing ${group}`, (progress) =>
      store.materialize(group, { signal, progress }),
    )
    const { runs, rows, corrections, quarantined } = result
    if (rows + quarantined + corrections === 0) return
    const parts = [
      ...(runs > 0 ? [countOf(runs, 'run')] : []),
      countOf(rows, 'row'),
      ...(corrections > 0 ? [countOf(corrections, 'correction')] : []),
      ...(quarantined > 0 ? [terminal.colours.red(`${formatCount(quarantined)} quarantined`)] : []),
    ]
    say(terminal, { event: 'materialized', ...result }, `materialized ${group}: ${parts.join(', ')}`)
  } catch (error) {
    if (signal.aborted) return
    // The others go on; the next run instant or the next change of its data tries it again.
    const { text } = reportError(error, { json: false, debug: false, interrupted: false })
    const code = isAsofError(error) ? error.code : 'internal'
    say(
      terminal,
      { event: 'failed', group, code },
      `${terminal.colours.red('failed')} ${group}: ${text.trimEnd()}`,
    )
  }
}

/** Wakes the one who waits, when it is time or when told to. */
class Due {
  #wake: (() => void) | undefined
  #told = false

  now(): void {
    this.#told = true
    this.#wake?.()
  }

  async within(ms: number): Promise<void> {
    if (!this.#told) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        timer = setTimeout(resolve, Math.max(ms, 10))
      })
      clearTimeout(timer)
    }
    this.#told = false
  }
}

/** What was asked and pushed since it was last said. */
class Counts {
  #lookups = 0
  #failed = 0
  #pushed = 0

  /** Counts rows on their way to where else they are counted. */
  over(telemetry: Telemetry): Telemetry {
    return {
      count: (name, by, labels) => {
        if (name === 'asof_pushed_rows') this.#pushed += by
        telemetry.count(name, by, labels)
      },
      observe: (name, value, labels) => telemetry.observe(name, value, labels),
    }
  }

  readonly route: RouteModule = (server) => {
    server.addHook('onResponse', async (request, reply) => {
      if (request.routeOptions.url !== '/v1/get') return
      if (reply.statusCode < 400) this.#lookups++
      else this.#failed++
    })
  }

  sayTo(terminal: Terminal): void {
    const [lookups, failed, pushedRows] = [this.#lookups, this.#failed, this.#pushed]
    if (lookups + failed + pushedRows === 0) return
    this.#lookups = this.#failed = this.#pushed = 0
    const parts = [
      ...(lookups > 0 ? [countOf(lookups, 'lookup')] : []),
      ...(failed > 0 ? [terminal.colours.red(`${countOf(failed, 'lookup')} refused`)] : []),
      ...(pushedRows > 0 ? [`${countOf(pushedRows, 'row')} pushed`] : []),
    ]
    say(terminal, { event: 'asked', lookups, failed, pushedRows }, parts.join(', '))
  }
}

/** Says what has happened, with the time of day. */
export function say(terminal: Terminal, document: object, text: string): void {
  terminal.answer(document, () => `${terminal.colours.dim(new Date().toTimeString().slice(0, 8))} ${text}`)
}

function author(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown' // A user without a name, as in some containers.
  }
}
