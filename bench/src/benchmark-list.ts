import type { Benchmark } from './comparison.ts'

/** A benchmark by its name on the command line; loaded only in the process that runs it. */
export interface ListedBenchmark {
  readonly name: string
  readonly about: string
  load(): Promise<Benchmark>
}

/** The benchmarks, in the order in which they run. */
export const BENCHMARKS: readonly ListedBenchmark[] = [
  {
    name: 'assemble',
    about: '100 features out of 10 stored rows, against MessagePack maps',
    load: async () => (await import('./assemble.ts')).assemble,
  },
  {
    name: 'lookup',
    about: 'get of 100 features from 10 groups in LMDB, against one value of 800 bytes',
    load: async () => (await import('./lookup.ts')).lookup,
  },
  {
    name: 'http',
    about: 'get of 100 features over HTTP, against a ready-made object in Fastify, and Feast with Redis',
    load: async () => (await import('./http.ts')).http,
  },
  {
    name: 'registry',
    about: 'search, plan and apply among 50,000 features of 200 projects',
    load: async () => (await import('./registry.ts')).registry,
  },
  {
    name: 'start',
    about: 'asof serve, from nothing to its first answer, and the memory that it rests in, against Feast',
    load: async () => (await import('./start.ts')).start,
  },
  {
    name: 'training',
    about: 'a training set of 20 groups, against chained ASOF joins in DuckDB and join_asof in Polars',
    load: async () => (await import('./training.ts')).training,
  },
]
