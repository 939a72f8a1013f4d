import { FlatFile, readColumn, readTextIds, TextIndex } from '@asof/parquet'
import type { ColumnType, FileColumn, FlatArray, FlatType, PageMemory } from '@asof/parquet'
import { KeyTable } from './key-table.ts'
import type { KeyPart, KeyWords } from './key-table.ts'

/** History to be read out of Parquet files without a database; everything in it can be sent to a thread. */
export interface HistoryFiles {
  readonly paths: readonly string[]
  readonly keys: KeyWords
  readonly keyColumns: readonly { readonly name: string; readonly type: ColumnType }[]
  readonly times: { readonly event: string; readonly created: string; readonly sequence: string }
  readonly deleted: string
  readonly features: readonly FlatField[]
  /** Only ids in `[fromId, toId)`. */
  readonly fromId: number
  readonly toId: number
  readonly eMax: number
  readonly eMin: number | undefined
  /** Arrays that nobody uses any more. */
  readonly spare: FlatArray[]
}

/** A column that is read. */
export interface FlatField {
  readonly name: string
  readonly type: FlatType
}

/** Rows of history, as `HistoryBatch` has them, in memory that threads share. */
export interface FlatHistory {
  readonly rows: number
  readonly keyIds: Int32Array
  readonly e: Float64Array
  readonly c: Float64Array
  readonly s: Float64Array
  readonly deleted: Uint8Array
  readonly features: readonly { readonly values: FlatArray; readonly valid: Uint8Array | undefined }[]
}

/** What finds the keys of one set. */
interface KeyFinder {
  readonly table: KeyTable
  /** The texts of each part of a key that is a text. */
  readonly texts: readonly (TextIndex | undefined)[]
}

/** What is kept between calls. */
export interface HistoryMemory {
  readonly pages: PageMemory
  readonly tables: Map<string, KeyFinder>
}

/**
 * Reads rows of history whose key is in the set, row group by row group: keys first, so that a group of other keys is never read.
 *
 * @returns the rows; or why another reader has to do it
 * @throws {DamagedFile}
 * @throws {BeyondReader}
 */
export function readHistoryFiles(request: HistoryFiles, memory: HistoryMemory): FlatHistory | string {
  const files: OpenHistoryFile[] = []
  try {
    for (const path of request.paths) {
      const opened = openFile(FlatFile.open(path), request)
      if (typeof opened === 'string') return opened
      files.push(opened)
    }
    return readOpen(files, request, memory)
  } finally {
    for (const { file } of files) file[Symbol.dispose]()
  }
}

interface OpenHistoryFile {
  readonly file: FlatFile
  readonly keys: readonly FileColumn[]
  readonly times: readonly [event: FileColumn, created: FileColumn, sequence: FileColumn]
  readonly deleted: FileColumn
  /** A file from before the feature was added has none. */
  readonly features: readonly (FileColumn | undefined)[]
}

/** Finds the columns in a file; a reason where they are not there as they were asked for. */
function openFile(file: FlatFile, request: HistoryFiles): OpenHistoryFile | string {
  const reasons: string[] = []
  const find = (name: string, type: ColumnType): FileColumn | undefined => {
    // A database does not tell upper from lower case in names.
    const named = file.columns.filter((column) => column.name.toLowerCase() === name.toLowerCase())
    const [column] = named
    if (column === undefined) return undefined
    if (named.length === 1 && column.name === name && column.type === type) return column
    reasons.push(`column ${name} of another type`)
    return undefined
  }
  const need = (name: string, type: ColumnType): FileColumn => {
    const column = find(name, type)
    if (column === undefined) reasons.push(`no column ${name}`)
    return column!
  }
  const { event, created, sequence } = request.times
  const opened: OpenHistoryFile = {
    file,
    keys: request.keyColumns.map(({ name, type }) => need(name, type)),
    times: [need(event, 'timestamp'), need(created, 'timestamp'), need(sequence, 'int64')],
    deleted: need(request.deleted, 'bool'),
    features: request.features.map(({ name, type }) => find(name, type)),
  }
  if (reasons.length === 0) return opened
  file[Symbol.dispose]()
  return reasons[0]!
}

function readOpen(
  files: readonly OpenHistoryFile[],
  request: HistoryFiles,
  memory: HistoryMemory,
): FlatHistory | string {
  const { keys, fromId, toId, eMax, eMin = Number.NEGATIVE_INFINITY } = request
  let finder = memory.tables.get(keys.name)
  if (finder === undefined) {
    const texts = keys.texts.map((part) => part && new TextIndex(part))
    memory.tables.set(keys.name, (finder = { table: new KeyTable(keys), texts }))
  }
  const groups = files.flatMap((file) => file.file.groups.map((rows, group) => ({ ...file, group, rows })))
  const rowsAll = groups.reduce((sum, { rows }) => sum + rows, 0)
  const groupMax = groups.reduce((max, { rows }) => Math.max(max, rows), 0)
  const share = (rowsAll * (toId - fromId)) / Math.max(1, keys.count)
  const into = new OpenHistory(request, Math.min(rowsAll, Math.ceil(share * 1.1) + groupMax))
  const parts = keyParts(request.keyColumns, groupMax)
  const valid = new Uint8Array(groupMax)
  const chosen = new Int32Array(groupMax)
  for (const { file, group, rows, keys: keyColumns, times, deleted, features } of groups) {
    into.grow(into.rows + rows)
    const at = into.rows
    const read = (column: FileColumn, values: FlatArray, from: number): number =>
      readColumn(file, group, column, { values, valid }, from, memory.pages)
    const keyIds = into.keyIds.subarray(at, at + rows)
    const nullKeys: Uint8Array[] = []
    for (const [part, column] of keyColumns.entries()) {
      const values = parts.arrays[part]!
      const index = finder.texts[part]
      const nulls =
        index === undefined
          ? read(column, values, 0)
          : readTextIds(file, group, column, index, { values: values as Int32Array, valid }, 0, memory.pages)
      if (nulls > 0) nullKeys.push(valid.slice(0, rows))
    }
    finder.table.find(parts.words, rows, keyIds)
    for (const present of nullKeys)
      for (let row = 0; row < rows; row++) if (present[row] === 0) keyIds[row] = -1
    const asked = chooseKeys(keyIds, rows, fromId, toId, chosen)
    if (asked === 0) continue
    const nullTimes = read(times[0], into.e, at) > 0 ? valid : undefined
    const count = chooseTimes(into.e, nullTimes, at, eMin, eMax, chosen, asked)
    if (count === 0) continue
    if (read(times[1], into.c, at) + read(times[2], into.s, at) + read(deleted, into.deleted, at) > 0)
      return 'a row without its times'
    const all = count === rows
    const runs = all ? [] : runsOf(chosen, count)
    for (const [index, column] of features.entries()) {
      const feature = into.features[index]!
      const nulls = column === undefined ? rows : read(column, feature.values, at)
      if (column === undefined) valid.fill(0, 0, rows)
      if (nulls > 0) into.validOf(index).set(valid.subarray(0, rows), at)
      else feature.valid?.fill(1, at, at + rows)
      if (!all) {
        compact(feature.values, at, runs)
        if (feature.valid !== undefined) compact(feature.valid, at, runs)
      }
    }
    if (!all) for (const array of into.ownArrays()) compact(array, at, runs)
    into.rows = at + count
  }
  return into
}

/** Numbers of the rows whose key is asked for; answers how many there are. */
function chooseKeys(
  keyIds: Int32Array,
  rows: number,
  fromId: number,
  toId: number,
  chosen: Int32Array,
): number {
  let count = 0
  for (let row = 0; row < rows; row++) {
    const id = keyIds[row]!
    chosen[count] = row
    count += id >= fromId && id < toId ? 1 : 0
  }
  return count
}

/** Those among them whose event time is asked for. */
function chooseTimes(
  e: Float64Array,
  present: Uint8Array | undefined,
  at: number,
  eMin: number,
  eMax: number,
  chosen: Int32Array,
  asked: number,
): number {
  let count = 0
  for (let i = 0; i < asked; i++) {
    const row = chosen[i]!
    const event = e[at + row]!
    chosen[count] = row
    count += event <= eMax && event >= eMin && (present === undefined || present[row] === 1) ? 1 : 0
  }
  return count
}

/** Chosen rows that follow one another: the first of each run, and how many they are, in turn. */
function runsOf(chosen: Int32Array, count: number): number[] {
  const runs: number[] = []
  for (let from = 0; from < count;) {
    let to = from + 1
    while (to < count && chosen[to] === chosen[to - 1]! + 1) to++
    runs.push(chosen[from]!, to - from)
    from = to
  }
  return runs
}

/** Moves the chosen rows of a group to its beginning. */
function compact(values: FlatArray, at: number, runs: readonly number[]): void {
  let into = at
  for (let run = 0; run < runs.length; run += 2) {
    const from = at + runs[run]!
    const length = runs[run + 1]!
    // A call for a single value would cost more than the value.
    if (length > 8) values.copyWithin(into, from, from + length)
    else for (let i = 0; i < length; i++) values[into + i] = values[from + i]!
    into += length
  }
}

/** Arrays for the key columns of one row group, and where the words of a key lie in them. */
function keyParts(
  columns: HistoryFiles['keyColumns'],
  rows: number,
): { readonly arrays: readonly FlatArray[]; readonly words: readonly KeyPart[] } {
  const arrays: FlatArray[] = []
  const words: KeyPart[] = []
  for (const { type } of columns) {
    // A text has the number that it has among those of the labels.
    const wide = type !== 'int32' && type !== 'text'
    const buffer = new ArrayBuffer(rows * (wide ? 8 : 4))
    arrays.push(wide ? new BigInt64Array(buffer) : new Int32Array(buffer))
    const array = new Int32Array(buffer)
    for (let offset = 0; offset < (wide ? 2 : 1); offset++) words.push({ array, step: wide ? 2 : 1, offset })
  }
  return { arrays, words }
}

type Open<T> = { -readonly [Name in keyof T]: T[Name] }

/** History that is being read. */
class OpenHistory implements FlatHistory {
  rows = 0
  keyIds: Int32Array
  e: Float64Array
  c: Float64Array
  s: Float64Array
  deleted: Uint8Array
  readonly features: Open<FlatHistory['features'][number]>[]
  readonly #spare: FlatArray[]
  #room: number

  constructor({ spare, features }: HistoryFiles, rows: number) {
    this.#spare = [...spare]
    this.#room = rows
    this.keyIds = this.#take(Int32Array, rows)
    this.e = this.#take(Float64Array, rows)
    this.c = this.#take(Float64Array, rows)
    this.s = this.#take(Float64Array, rows)
    this.deleted = this.#take(Uint8Array, rows)
    this.features = features.map(({ type }) => ({ values: this.#take(ARRAYS[type], rows), valid: undefined }))
  }

  /** Which rows have a value of a feature; until now all had one. */
  validOf(index: number): Uint8Array {
    const feature = this.features[index]!
    return (feature.valid ??= this.#take(Uint8Array, this.#room).fill(1, 0, this.rows))
  }

  ownArrays(): FlatArray[] {
    return [this.keyIds, this.e, this.c, this.s, this.deleted]
  }

  /** Makes room for so many rows. */
  grow(rows: number): void {
    if (rows <= this.#room) return
    const size = Math.ceil(rows * 1.5)
    this.#room = size
    this.keyIds = this.#grown(this.keyIds, size)
    this.e = this.#grown(this.e, size)
    this.c = this.#grown(this.c, size)
    this.s = this.#grown(this.s, size)
    this.deleted = this.#grown(this.deleted, size)
    for (const feature of this.features) {
      feature.values = this.#grown(feature.values, size)
      if (feature.valid !== undefined) feature.valid = this.#grown(feature.valid, size)
    }
  }

  #grown<T extends FlatArray>(array: T, size: number): T {
    if (array.length >= size) return array
    const grown = this.#take(array.constructor as ArrayKind<T>, size)
    grown.set(array.subarray(0, this.rows) as never)
    return grown
  }

  /** An array of at least so many places: a spare one, as fresh memory costs as much as what is read into it. */
  #take<T extends FlatArray>(kind: ArrayKind<T>, size: number): T {
    const found = this.#spare.findIndex((array) => array.constructor === kind && array.length >= size)
    if (found >= 0) return this.#spare.splice(found, 1)[0] as T
    return new kind(new SharedArrayBuffer(size * kind.BYTES_PER_ELEMENT))
  }
}

interface ArrayKind<T> {
  new (buffer: SharedArrayBuffer): T
  readonly BYTES_PER_ELEMENT: number
}

const ARRAYS: Readonly<Record<FlatType, ArrayKind<FlatArray>>> = {
  bool: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
  float64: Float64Array,
  timestamp: BigInt64Array,
}
