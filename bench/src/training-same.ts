import { DuckDBInstance } from '@duckdb/node-api'
import type { TrainingData } from './training-data.ts'

/**
 * Compares two training sets value by value, whatever the order of their rows; answers how many labels are missing or
 * have another value.
 */
export async function differingLabels(
  { groups, size }: TrainingData,
  one: string,
  other: string,
): Promise<number> {
  const names = ['label_id', ...groups.flatMap(({ features }) => features)]
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  try {
    const values = (table: string): string => names.map((name) => `${table}.${name}`).join(', ')
    const result = await connection.runAndReadAll(
      `SELECT count(*) FROM read_parquet('${one}') a JOIN read_parquet('${other}') b USING (label_id)
       WHERE row(${values('a')}) IS NOT DISTINCT FROM row(${values('b')})`,
    )
    return size.labels - Number(result.getRows()[0]![0])
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
