// DuckDB's side of the training benchmark, as a process: JOBFILE (see training.ts).
import { readFileSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'
import { answerAsSide } from './side-process.ts'

interface Job {
  readonly sql: string
  readonly threads: number
}

const { sql, threads } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Job
await answerAsSide(async () => {
  const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) })
  const connection = await instance.connect()
  await connection.run(sql)
  connection.closeSync()
  instance.closeSync()
})
