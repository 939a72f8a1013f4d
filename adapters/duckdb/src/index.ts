export { duckdbParquetFiles } from './parquet-files.ts'
export type { DatabaseOptions } from './database.ts'
