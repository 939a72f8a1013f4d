export { duckdbParquetFiles } from './parquet-files.ts'
export type { DatabaseOptions } from './database.ts'
export { duckdbEngine } from './duckdb-engine.ts'
