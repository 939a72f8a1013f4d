import { corrupt } from '@asof/core'

/** What one must understand to read and to write a table. */
export interface Protocol {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: readonly string[]
  readonly writerFeatures?: readonly string[]
}

/** What a table is: its columns (as JSON text, see `delta-schema.ts`), partitions and settings. */
export interface Metadata {
  readonly id: string
  readonly name?: string
  readonly description?: string
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> }
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTime?: number
}

/** A data file that belongs to the table. `path` is as the log writes it, percent-encoded. */
export interface AddFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modificationTime: number
  readonly dataChange: boolean
  /** Statistics as JSON text, see `delta-stats.ts`. */
  readonly stats?: string
  readonly tags?: Readonly<Record<string, string | null>>
  /** Present where some of the file's rows are deleted: a table feature. */
  readonly deletionVector?: object
}

/** A data file that belongs to the table no more. */
export interface RemoveFile {
  readonly path: string
  /** Milliseconds since 1970. */
  readonly deletionTimestamp?: number
  readonly dataChange: boolean
  readonly partitionValues?: Readonly<Record<string, string | null>>
  readonly size?: number
  readonly deletionVector?: object
}

/** How far a writer has come. A bigint where a number would lose digits. */
export interface Txn {
  readonly appId: string
  readonly version: number | bigint
  /** Milliseconds since 1970. */
  readonly lastUpdated?: number
}

/** Who committed, when and why: for people, and to recognise one's own commit. */
export interface CommitInfo {
  /** Milliseconds since 1970. */
  readonly timestamp?: number
  readonly inCommitTimestamp?: number
  readonly operation?: string
  readonly engineInfo?: string
  readonly txnId?: string
  /** Facts given by the writer, as JSON text where asof wrote them. */
  readonly userMetadata?: string
  readonly [field: string]: unknown
}

/** One action: exactly one of the fields is set in what asof writes. */
export interface Action {
  readonly commitInfo?: CommitInfo
  readonly protocol?: Protocol
  readonly metaData?: Metadata
  readonly txn?: Txn
  readonly add?: AddFile
  readonly remove?: RemoveFile
}

/** The actions of one commit, sorted by kind. Kinds that asof does not know are left out, as the protocol says. */
export interface Commit {
  readonly info: CommitInfo | undefined
  readonly protocol: Protocol | undefined
  readonly metadata: Metadata | undefined
  readonly txns: readonly Txn[]
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
}

/** The bytes of a commit file: one action a line. */
export function encodeCommit(actions: readonly Action[]): Uint8Array {
  return new TextEncoder().encode(actions.map((action) => `${stringify(action)}\n`).join(''))
}

/**
 * Reads a commit file.
 *
 * @param path names the file in errors
 * @throws {AsofError} `corrupt_commit` for a file that is empty, cut off, not JSON, or says two things about one subject
 */
export function decodeCommit(body: Uint8Array, path: string): Commit {
  const actions = decodeLines(body, path).map((line) => readAction(line, path))
  if (actions.length === 0) throw corruptCommit('the commit file is empty', path)
  return sortActions(actions, path)
}

/** Sorts actions by kind. @throws {AsofError} `corrupt_commit` where two of them are about one subject */
export function sortActions(actions: readonly Action[], path: string): Commit {
  const seen = new Set<string>()
  for (const action of actions) {
    const subject = subjectOf(action)
    if (subject === undefined) continue
    if (seen.has(subject)) throw corruptCommit('the commit says two things about one subject', path)
    seen.add(subject)
  }
  const all = <K extends keyof Action>(kind: K): NonNullable<Action[K]>[] =>
    actions.flatMap((action) => (action[kind] === undefined ? [] : [action[kind]]))
  return {
    info: all('commitInfo')[0],
    protocol: all('protocol')[0],
    metadata: all('metaData')[0],
    txns: all('txn'),
    adds: all('add'),
    removes: all('remove'),
  }
}

/** What identifies a file: its path, and its deletion vector, as a file with another one is another file. */
export function fileKey(file: Pick<AddFile, 'path' | 'deletionVector'>): string {
  return file.deletionVector === undefined ? file.path : `${file.path}\n${stringify(file.deletionVector)}`
}

/** JSON with integers beyond 2^53 as bigint, so that no digit is lost. */
export function parseLossless(text: string): unknown {
  // The slow way is taken only where an integer is long enough to lose digits.
  if (!/\d{16}/.test(text)) return JSON.parse(text) as unknown
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? BigInt(context?.source ?? 0)
      : value,
  )
}

/** JSON in which a bigint is a number with all its digits. */
export function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? rawJson(String(inner)) : inner,
  )
}

/** Of the ES proposal "JSON.parse source text access", which Node has and TypeScript does not declare yet. */
function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
}

function decodeLines(body: Uint8Array, path: string): Record<string, unknown>[] {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => asRecord(parseLossless(line)))
  } catch {
    throw corruptCommit('the commit file is cut off or garbled', path)
  }
}

function readAction(line: Record<string, unknown>, path: string): Action {
  try {
    return actionOf(line)
  } catch {
    throw corruptCommit('the commit file holds an action that lacks what it needs', path)
  }
}

/** Reads one action from a line of a commit or a row of a checkpoint. @throws where a needed field is missing */
export function actionOf(line: Readonly<Record<string, unknown>>): Action {
  const { commitInfo, protocol, metaData, txn, add, remove } = line
  if (add !== undefined && add !== null) return { add: readAdd(asRecord(add)) }
  if (remove !== undefined && remove !== null) return { remove: readRemove(asRecord(remove)) }
  if (txn !== undefined && txn !== null) return { txn: readTxn(asRecord(txn)) }
  if (metaData !== undefined && metaData !== null) return { metaData: readMetadata(asRecord(metaData)) }
  if (protocol !== undefined && protocol !== null) return { protocol: readProtocol(asRecord(protocol)) }
  if (commitInfo !== undefined && commitInfo !== null) return { commitInfo: asRecord(commitInfo) }
  return {}
}

function readAdd(add: Record<string, unknown>): AddFile {
  const { stats, tags, deletionVector } = add
  return {
    path: asText(add['path']),
    partitionValues: asMap(add['partitionValues']),
    size: asNumber(add['size']),
    modificationTime: asNumber(add['modificationTime']),
    dataChange: add['dataChange'] === true,
    ...(typeof stats === 'string' ? { stats } : statsOfStruct(add['stats_parsed'])),
    ...(tags === undefined || tags === null ? {} : { tags: asMap(tags) }),
    ...(deletionVector === undefined || deletionVector === null
      ? {}
      : { deletionVector: asRecord(deletionVector) }),
  }
}

/** Of statistics that a checkpoint keeps as a struct alone, the number of rows. */
function statsOfStruct(parsed: unknown): { readonly stats?: string } {
  if (typeof parsed !== 'object' || parsed === null || !('numRecords' in parsed)) return {}
  return parsed.numRecords === null ? {} : { stats: stringify({ numRecords: asNumber(parsed.numRecords) }) }
}

function readRemove(remove: Record<string, unknown>): RemoveFile {
  const { deletionTimestamp, partitionValues, size, deletionVector } = remove
  return {
    path: asText(remove['path']),
    dataChange: remove['dataChange'] === true,
    ...(isNumber(deletionTimestamp) ? { deletionTimestamp: Number(deletionTimestamp) } : {}),
    ...(partitionValues === undefined || partitionValues === null
      ? {}
      : { partitionValues: asMap(partitionValues) }),
    ...(isNumber(size) ? { size: Number(size) } : {}),
    ...(deletionVector === undefined || deletionVector === null
      ? {}
      : { deletionVector: asRecord(deletionVector) }),
  }
}

function readTxn(txn: Record<string, unknown>): Txn {
  const { version, lastUpdated } = txn
  if (!isNumber(version)) throw new TypeError('a number is missing')
  const exact = Number.isSafeInteger(Number(version)) ? Number(version) : version
  return {
    appId: asText(txn['appId']),
    version: exact,
    ...(isNumber(lastUpdated) ? { lastUpdated: Number(lastUpdated) } : {}),
  }
}

function readMetadata(metadata: Record<string, unknown>): Metadata {
  const { name, description, createdTime, format } = metadata
  const columns = metadata['partitionColumns']
  if (!Array.isArray(columns)) throw new TypeError('a list is missing')
  const { provider, options } = asRecord(format)
  return {
    id: asText(metadata['id']),
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof description === 'string' ? { description } : {}),
    format: { provider: asText(provider), options: asTexts(options) },
    schemaString: asText(metadata['schemaString']),
    partitionColumns: columns.map(asText),
    configuration: asTexts(metadata['configuration']),
    ...(isNumber(createdTime) ? { createdTime: Number(createdTime) } : {}),
  }
}

function readProtocol(protocol: Record<string, unknown>): Protocol {
  const { readerFeatures, writerFeatures } = protocol
  return {
    minReaderVersion: asNumber(protocol['minReaderVersion']),
    minWriterVersion: asNumber(protocol['minWriterVersion']),
    ...(Array.isArray(readerFeatures) ? { readerFeatures: readerFeatures.map(asText) } : {}),
    ...(Array.isArray(writerFeatures) ? { writerFeatures: writerFeatures.map(asText) } : {}),
  }
}

function subjectOf(action: Action): string | undefined {
  const { add, remove, txn } = action
  if (add !== undefined) return `file ${fileKey(add)}`
  if (remove !== undefined) return `file ${fileKey(remove)}`
  if (txn !== undefined) return `txn ${txn.appId}`
  return Object.keys(action)[0]
}

function corruptCommit(text: string, path: string): Error {
  return corrupt('corrupt_commit', text, { file: path })
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError('an object is missing')
  return value as Record<string, unknown>
}

function asText(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a text is missing')
  return value
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function asNumber(value: unknown): number {
  if (!isNumber(value)) throw new TypeError('a number is missing')
  return Number(value)
}

/** A map of texts: an object in JSON, an array of key and value from Parquet. */
function asMap(value: unknown): Record<string, string | null> {
  if (value === undefined || value === null) return {}
  const entries = Array.isArray(value)
    ? value.map((entry): [string, unknown] => [asText(asRecord(entry)['key']), asRecord(entry)['value']])
    : Object.entries(asRecord(value))
  const map: Record<string, string | null> = Object.create(null)
  for (const [key, inner] of entries) map[key] = inner === undefined || inner === null ? null : asText(inner)
  return map
}

function asTexts(value: unknown): Record<string, string> {
  const texts: Record<string, string> = Object.create(null)
  for (const [key, inner] of Object.entries(asMap(value))) if (inner !== null) texts[key] = inner
  return texts
}
