// A training set of 20 groups, Parquet to Parquet: each side a whole process over the same files.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { takeTurns, type Benchmark, type Comparison, type Sample, type Side } from './comparison.ts'
import { rivalPython } from './python.ts'
import { runSide, type ProcessSample } from './side-process.ts'
import { FEATURES, GROUPS, THREADS, trainingData, type TrainingData } from './training-data.ts'
import { differingLabels } from './training-same.ts'

const FULL = { labels: 1_000_000, rows: 1_000_000, keys: 100_000 }
const SMALL = { labels: 100_000, rows: 100_000, keys: 10_000 }
const ROUNDS = 3

const NODE = [process.execPath, '--conditions=source'] as const
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/**
 * See the head of this file. Ours gives the values as known at each label's time, in the order of the labels, with its
 * manifest; the rivals join on event time alone and may give the labels in any order.
 */
export const training: Benchmark = async (setting) => {
  const { small, say } = setting
  const data = await trainingData(small ? SMALL : FULL, setting)
  const outputs = join(data.folder, 'outputs')
  rmSync(outputs, { recursive: true, force: true })
  mkdirSync(outputs)
  const python = await rivalPython(say)
  const sides = [asofSide(data, outputs), ...rivalSides(data, outputs, python)]
  const notes = await checkSameValues(sides, data, outputs, say)
  const versions = new Map<string, string>()
  const turns = await takeTurns(
    sides.map((side): Side => ({
      name: side.name,
      async turn() {
        const { version, ...sample } = await side.run()
        const numbers: Sample = sample
        if (version !== undefined) versions.set(side.name, version)
        say(`${side.name}: ${sample.process.toFixed(1)} s`)
        rmSync(side.out, { recursive: true, force: true })
        return numbers
      },
    })),
    { rounds: ROUNDS },
  )
  rmSync(outputs, { recursive: true, force: true })
  const comparison: Comparison = {
    title: `training: ${GROUPS} groups of ${FEATURES} float64 features, Parquet to Parquet`,
    settings: { ...data.size, groups: GROUPS, threads: THREADS },
    metrics: [
      { name: 'process', unit: 's', main: true },
      { name: 'work', unit: 's' },
      { name: 'cpu', unit: 's' },
      { name: 'peak', unit: 'bytes' },
    ],
    sides: turns.map((side) => ({
      ...side,
      name: [side.name, versions.get(side.name) ?? ''].join(' ').trim(),
    })),
    target: { rival: DUCKDB, atLeast: 5 },
    notes,
  }
  return [comparison]
}

const DUCKDB = 'DuckDB 1.5, 20 ASOF LEFT JOIN'

interface ProcessSide {
  readonly name: string
  /** What it writes: a file, or a folder. */
  readonly out: string
  /** The Parquet files in it. */
  readonly parquet: string
  run(): Promise<ProcessSample>
}

function asofSide({ folder }: TrainingData, outputs: string, knowledge = 'as-known'): ProcessSide {
  const out = join(outputs, `asof-${knowledge}`)
  return {
    name: `asof, ${knowledge}`,
    out,
    parquet: join(out, '*.parquet'),
    async run() {
      const [node, ...flags] = NODE
      return await runSide(node, [...flags, here('training-asof.ts'), folder, out, knowledge])
    },
  }
}

function rivalSides(data: TrainingData, outputs: string, python: string): ProcessSide[] {
  const side = (name: string, file: string, command: string, args: readonly string[]): ProcessSide => {
    const out = join(outputs, `${file}.parquet`)
    const job = join(outputs, `${file}.json`)
    writeFileSync(job, JSON.stringify({ ...data, threads: THREADS, out, sql: asofJoinSql(data, out) }))
    return { name, out, parquet: out, run: async () => await runSide(command, [...args, job]) }
  }
  const script = here('training_rivals.py')
  const [node, ...flags] = NODE
  return [
    side(DUCKDB, 'duckdb-node', node, [...flags, here('training-duckdb.ts')]),
    side('DuckDB from Python', 'duckdb-python', python, [script, 'duckdb']),
    side('Polars, 20 join_asof', 'polars', python, [script, 'polars']),
  ]
}

/** 20 chained joins; written with the settings that ours are written with, so that it is the joining that differs. */
function asofJoinSql({ labels, groups }: TrainingData, out: string): string {
  const columns = groups.flatMap(({ features }, group) => features.map((name) => `h${group}.${name}`))
  const joins = groups.map(
    ({ file }, group) =>
      `ASOF LEFT JOIN read_parquet('${file}') h${group}
       ON l.account = h${group}.account AND l.at >= h${group}.event_timestamp`,
  )
  return `COPY (SELECT l.*, ${columns.join(', ')} FROM read_parquet('${labels}') l ${joins.join('\n')})
          TO '${out}' (FORMAT parquet, COMPRESSION uncompressed, DICTIONARY_SIZE_LIMIT 0, ROW_GROUP_SIZE 122880)`
}

/** Ours by event time alone is what the rivals compute; this is also the run that warms up files and page cache. */
async function checkSameValues(
  sides: readonly ProcessSide[],
  data: TrainingData,
  outputs: string,
  say: (line: string) => void,
): Promise<string[]> {
  const [asof, ...rivals] = sides
  const byEvent = asofSide(data, outputs, 'event-time')
  const all = [byEvent, asof!, ...rivals]
  for (const side of all) {
    const { process } = await side.run()
    say(`${side.name}: ${process.toFixed(1)} s, to compare values`)
  }
  for (const rival of rivals) {
    const differing = await differingLabels(data, byEvent.parquet, rival.parquet)
    if (differing !== 0) throw new Error(`${rival.name} gives other values for ${differing} labels`)
  }
  const known = await differingLabels(data, byEvent.parquet, asof!.parquet)
  for (const { out } of all) rmSync(out, { recursive: true, force: true })
  const share = ((100 * known) / data.size.labels).toFixed(2)
  return [
    'all sides gave the same values for every label, ours then joined on event time alone as the rivals do',
    `as known, which is what is timed, ${known.toLocaleString('en-US')} labels (${share} %) differ: rows not yet known`,
    'all sides write PLAIN pages that are not compressed',
    'process: start to end; work: without starting and importing; ours keeps the order of the labels, rivals need not',
  ]
}
