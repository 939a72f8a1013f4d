// The registry of two hundred teams: 50,000 features in 2,000 groups of 200 projects, or all of them in one project. What a
// search costs, beside looking through every name and description; what opening, planning and applying one change cost.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  applyDefinitions,
  loadSnapshot,
  loadSnapshots,
  MICROS,
  planApply,
  search,
  searchIndex,
  type Definition,
  type Instant,
  type SearchIndex,
} from '@asof/core'
import { openLmdbRegistry } from '@asof/lmdb'
import { quantile, takeTurns, type Benchmark, type Comparison, type Sample, type Side } from './comparison.ts'
import { FULL_REGISTRY, registryProjects, type RegistrySize } from './registry-data.ts'

const ROUNDS = 11
/** What people type: names, beginnings, several words, filters, mistakes. */
const QUERIES = [
  'delay',
  'd',
  'delay mean',
  'delay_mean_7d',
  'rating of merchant web only',
  'dealy maen',
  'distnace_share_wekend',
  'user_amount_3:refund',
  'owner:team-7 type:int64',
  'tag:pii weekend partner',
  'mean of delay over 7d mobile only',
  'nothing_is_called_so',
]
/** What a search may take at most, in microseconds. */
const SEARCH_MAX = 100_000

/** See the head of this file. */
export const registry: Benchmark = async ({ small, say }) => {
  const size: RegistrySize = small ? { projects: 20, groups: 200, features: 5_000 } : FULL_REGISTRY
  const many = await storedRegistry(size)
  const one = await storedRegistry({ ...size, projects: 1 })
  try {
    say('searching')
    const searching = await searchComparison(many, size)
    say('opening, planning and applying')
    return [searching, await changeComparison(many, one, size)]
  } finally {
    for (const { folder } of [many, one]) await rm(folder, { recursive: true, force: true })
  }
}

interface StoredRegistry {
  readonly folder: string
  readonly projects: ReadonlyMap<string, readonly Definition[]>
}

async function storedRegistry(size: RegistrySize): Promise<StoredRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-bench-'))
  const projects = registryProjects(size)
  await using opened = await openLmdbRegistry(folder)
  for (const [project, definitions] of projects) await applyDefinitions(opened, project, definitions, OPTIONS)
  return { folder, projects }
}

const OPTIONS = { now: () => (Date.now() * 1_000) as Instant, author: 'bench', message: '' }

async function searchComparison({ folder }: StoredRegistry, size: RegistrySize): Promise<Comparison> {
  await using opened = await openLmdbRegistry(folder)
  const before = memoryUsed()
  const [snapshots, loading] = await timed(async () => await loadSnapshots(opened))
  const loaded = memoryUsed()
  const [index, indexing] = await timed(async () => searchIndex(snapshots.values()))
  const indexed = memoryUsed()
  const sides = await takeTurns(
    [
      searchSide('asof search', (query) => search(index, query)),
      searchSide('every name and description', (query) => lookThrough(index, query)),
      { name: 'the limit', turn: () => ({ median: SEARCH_MAX, worst: SEARCH_MAX }) },
    ],
    { rounds: ROUNDS, warmUp: 2 },
  )
  return {
    title: `search in ${size.features.toLocaleString('en-US')} features: ${QUERIES.length} queries a turn`,
    settings: { ...size },
    metrics: [
      { name: 'worst', unit: 'us', main: true },
      { name: 'median', unit: 'us' },
    ],
    sides,
    target: { rival: 'the limit', atLeast: 1 },
    notes: [
      `reading all projects took ${milliseconds(loading)} and ${megabytes(loaded - before)}, the index ${milliseconds(indexing)} and ${megabytes(indexed - loaded)} more (${index.terms.length.toLocaleString('en-US')} words)`,
      'looking through every name and description forgives no mistake and ranks nothing',
    ],
  }
}

function searchSide(name: string, ask: (query: string) => unknown): Side {
  return {
    name,
    turn: () => {
      const times = Float64Array.from(QUERIES, (query) => {
        const start = performance.now()
        ask(query)
        return (performance.now() - start) * 1_000
      }).sort()
      return { median: quantile(times, 0.5), worst: times.at(-1)! }
    },
  }
}

/** All entries with every word somewhere, the shortest names first: what one would write in an hour. */
function lookThrough({ entries }: SearchIndex, query: string): number {
  const words = query.split(/[\s:]+/)
  const found = entries.filter(({ definition, field }) => {
    const { name, description = '' } = field ?? definition
    const text = `${name} ${definition.name} ${definition.owner} ${description}`
    return words.every((word) => text.includes(word))
  })
  return found.sort((a, b) => (a.field ?? a.definition).name.length - (b.field ?? b.definition).name.length)
    .length
}

async function changeComparison(
  many: StoredRegistry,
  one: StoredRegistry,
  size: RegistrySize,
): Promise<Comparison> {
  const first = await changeSide(`one of ${size.projects} projects`, many)
  const whole = await changeSide('all in one project', one)
  const sides = await takeTurns([first, whole], { rounds: ROUNDS, warmUp: 2 })
  return {
    title: 'one group changed: a process opens the registry, plans and applies',
    settings: { ...size },
    metrics: [
      { name: 'apply', unit: 'us', main: true },
      { name: 'open', unit: 'us' },
      { name: 'plan', unit: 'us' },
      { name: 'again', unit: 'us' },
    ],
    sides,
    notes: [
      'open: the first snapshot in a process; again: a second change in the same process, planned and applied',
      'definitions are there as a program declares them: checked once, in memory',
    ],
  }
}

async function changeSide(name: string, { folder, projects }: StoredRegistry): Promise<Side> {
  const [[project, definitions]] = [...projects] as [[string, readonly Definition[]]]
  const target = definitions.findIndex(({ kind }) => kind === 'group')
  let changes = 0
  const changed = (): readonly Definition[] =>
    definitions.with(target, { ...definitions[target]!, description: `change ${changes++}` })
  return {
    name,
    turn: async (): Promise<Sample> => {
      await using opened = await openLmdbRegistry(folder)
      const [snapshot, open] = await timed(async () => await loadSnapshot(opened, project))
      const wanted = changed()
      const [, plan] = await timed(async () => planApply(snapshot, wanted))
      const [, apply] = await timed(async () => await applyDefinitions(opened, project, wanted, OPTIONS))
      const next = changed()
      const [, again] = await timed(async () => await applyDefinitions(opened, project, next, OPTIONS))
      return { open, plan, apply, again }
    },
  }
}

/** What work answers, and how long it took in microseconds. */
async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now()
  const result = await work()
  return [result, (performance.now() - start) * 1_000]
}

/** Bytes of all that is alive. */
function memoryUsed(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function milliseconds(micros: number): string {
  return `${Math.round((micros * 1_000) / MICROS.second)} ms`
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
