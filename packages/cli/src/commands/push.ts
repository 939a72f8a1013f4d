import { createReadStream } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import {
  formatInstant,
  invalid,
  isAsofError,
  type FeatureStore,
  type GroupPlan,
  type Instant,
  jsonForm,
} from '@asof/core'
import { wholeArgument } from '../command-values.ts'
import { countOf, formatCount } from '../figures.ts'
import { fileError, findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { noteUnapplied } from '../note-unapplied.ts'
import { jsonLines, type JsonLinesBatch } from '../json-lines.ts'
import { restated, textOf } from '../restated-error.ts'
import type { Terminal } from '../terminal.ts'
import { batchFormat, pushFile } from './push-file.ts'

/** What became of all batches of a push. */
interface PushSum {
  readonly group: string
  batches: number
  /** Lines read into rows. */
  rows: number
  accepted: number
  quarantined: number
  /** Rows of batches that had been appended before. */
  duplicate: number
  /** Rows that are older than what is stored under their key: kept for history, not served. */
  superseded: number
  at: Instant | undefined
  /** The last line of a batch that is in the log. */
  throughLine: number
}

/** `asof push GROUP FILE|-`: appends rows, whole batches at a time. */
export async function push(
  terminal: Terminal,
  options: ProjectOptions & {
    readonly row?: readonly string[]
    readonly producer?: string
    readonly fromSequence?: string
  },
  group: string,
  file: string | undefined,
): Promise<void> {
  const { row: given = [], producer } = options
  if ((file === undefined) === (given.length === 0)) {
    throw invalid(
      'invalid_argument',
      'give a file (JSON lines, *.csv, *.parquet), or - for stdin, or --row: one of them',
    )
  }
  if ((producer === undefined) !== (options.fromSequence === undefined)) {
    throw invalid(
      'invalid_argument',
      'give --producer and --from-sequence together: they name each batch, so a repeat is a duplicate',
    )
  }
  const first = wholeArgument(options.fromSequence ?? '0', '--from-sequence', 0)
  const found = await findProject(options)
  await using store = await openProject(found)
  await noteUnapplied(terminal, store)
  const format = batchFormat(file)
  if (file !== undefined && format !== undefined) {
    const named = producer === undefined ? undefined : { producer, sequence: first }
    await pushFile(terminal, store, found, { group, file, format }, named)
    return
  }
  const plan = await store.groupPlan(group)
  const sum: PushSum = {
    group,
    batches: 0,
    rows: 0,
    accepted: 0,
    quarantined: 0,
    duplicate: 0,
    superseded: 0,
    at: undefined,
    throughLine: 0,
  }
  const place = file === undefined ? '--row' : file === '-' ? 'stdin' : file
  await terminal.during(`pushing to ${group}`, async (progress) => {
    try {
      for await (const batch of jsonLines(
        file === undefined ? rowsOf(given) : bytesOf(file, terminal.signal),
      )) {
        terminal.signal.throwIfAborted()
        const name = producer === undefined ? undefined : { producer, sequence: first + sum.batches }
        await pushBatch(store, plan, batch, name, sum)
        progress({ done: sum.rows, total: 0, unit: 'rows' })
      }
      if (sum.rows === 0) throw invalid('empty_push', 'there is no row to push')
      await store.drain()
    } catch (error) {
      throw placed(error, place, sum, producer !== undefined)
    }
  })
  const { at, ...rest } = sum
  terminal.answer({ ...rest, at: at && formatInstant(at) }, () => shownSum(sum))
}

async function pushBatch(
  store: FeatureStore,
  plan: GroupPlan,
  batch: JsonLinesBatch,
  name: { readonly producer: string; readonly sequence: number } | undefined,
  sum: PushSum,
): Promise<void> {
  const rows = batch.rows.map((row) => typedRow(plan, row))
  const group = plan.group.definition
  const result = await store
    .push(`${group.name}@${group.version}`, rows, name, { wait: 'applied', json: true })
    .catch((error: unknown) => {
      throw atLine(error, batch.lines)
    })
  sum.batches++
  sum.rows += rows.length
  sum.accepted += result.accepted
  sum.quarantined += result.quarantined
  sum.superseded += result.superseded ?? 0
  if (result.duplicate) sum.duplicate += rows.length
  sum.at = result.at
  sum.throughLine = batch.lines.at(-1) ?? sum.throughLine
}

/** A row's integers beyond 2^53 in the form that their types are read from. */
function typedRow(plan: GroupPlan, row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { definition, entity } = plan.group
  const types = new Map([...entity.keys, ...definition.features].map(({ name, type }) => [name, type]))
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      const type = types.get(name)
      if (type !== undefined) return [name, jsonForm(type, value)]
      return [name, typeof value === 'bigint' ? Number(value) : value]
    }),
  )
}

/** The line instead of the row's place in its batch. */
function atLine(error: unknown, lines: readonly number[]): unknown {
  if (!isAsofError(error)) return error
  const [, row, column] = /^rows\[(\d+)\]\.?(.*)$/.exec(String(error.details['path'] ?? '')) ?? []
  if (row === undefined) return error
  const { path: _, ...details } = error.details
  return restated(error, textOf(error), {
    line: lines[Number(row)],
    ...(column !== '' && { column }),
    ...details,
  })
}

/** An error with the file, and what is in the log already. */
function placed(error: unknown, file: string, sum: PushSum, named: boolean): unknown {
  const known = isAsofError(error) ? error : fileError(error, file)
  if (!isAsofError(known)) return known
  const text = textOf(known)
  if (sum.throughLine === 0) return restated(known, text, { file, ...known.details, appended: 'nothing' })
  const advice = named
    ? 'once it is mended repeat the same command: what is in the log is answered as a duplicate'
    : 'push only the lines after these, or use --producer and --from-sequence next time'
  const appended = `lines 1 to ${sum.throughLine}`
  return restated(known, `${text}; ${advice}`, { file, ...known.details, appended })
}

/** A file or stdin; waiting for either ends with the signal. */
async function* bytesOf(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stream = addAbortSignal(signal, file === '-' ? process.stdin : createReadStream(file))
  for await (const chunk of stream) yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
}

async function* rowsOf(rows: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const row of rows) yield Buffer.from(`${row.replaceAll(/[\r\n]/g, ' ')}\n`)
}

function shownSum(sum: PushSum): string {
  const parts = [
    `${countOf(sum.accepted, 'row')} appended to ${sum.group}`,
    sum.duplicate > 0 && `${formatCount(sum.duplicate)} had been appended before`,
    sum.superseded > 0 &&
      `${formatCount(sum.superseded)} are older than what is served, and kept for history`,
    sum.quarantined > 0 && `${formatCount(sum.quarantined)} quarantined, see \`asof quarantine list\``,
  ]
  return parts.filter((part) => part !== false).join('; ')
}
