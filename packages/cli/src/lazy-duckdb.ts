import type { ComputeEngine, ParquetFiles } from '@asof/core'
import type { DatabaseOptions } from '@asof/duckdb'

type DuckDB = typeof import('@asof/duckdb')

/** Loads DuckDB, of 30 MB and more, when something is computed: serving and pushing never do. */
async function duckdb(): Promise<DuckDB> {
  return await import('@asof/duckdb')
}

/** DuckDB as the engine, loaded with the first call. */
export function lazyEngine(options: DatabaseOptions): ComputeEngine {
  let loaded: Promise<ComputeEngine> | undefined
  const engine = async (): Promise<ComputeEngine> =>
    await (loaded ??= duckdb().then(({ duckdbEngine }) => duckdbEngine(options)))
  return {
    describe: async (relation) => await (await engine()).describe(relation),
    bounds: async (source) => await (await engine()).bounds(source),
    extract: async (request) => await (await engine()).extract(request),
    replay: async (request) => await (await engine()).replay(request),
    labels: async (request) => await (await engine()).labels(request),
    columnsRead: async (query, inputs) => await (await engine()).columnsRead(query, inputs),
    async [Symbol.asyncDispose]() {
      if (loaded !== undefined) await (await loaded)[Symbol.asyncDispose]()
    },
  }
}

/** DuckDB for Parquet files, loaded with the first call. */
export function lazyParquetFiles(options: DatabaseOptions): ParquetFiles {
  let loaded: Promise<ParquetFiles> | undefined
  const parquet = async (): Promise<ParquetFiles> =>
    await (loaded ??= duckdb().then(({ duckdbParquetFiles }) => duckdbParquetFiles(options)))
  return {
    write: async (folder, request) => await (await parquet()).write(folder, request),
    describe: async (path, columns) => await (await parquet()).describe(path, columns),
    async *read(files, columns, options) {
      yield* (await parquet()).read(files, columns, options)
    },
    readRecords: async (path) => await (await parquet()).readRecords(path),
    writeRecords: async (path, records, types) => await (await parquet()).writeRecords(path, records, types),
  }
}
