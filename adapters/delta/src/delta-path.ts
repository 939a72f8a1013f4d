import { createHash } from 'node:crypto'
import { checkObjectPath, corrupt, invalid } from '@asof/core'

/** The folder of a table's log, as an object path. */
export function logFolder(table: string): string {
  return `${table}/_delta_log`
}

/** A version as file names show it: 20 digits. */
export function versionDigits(version: number): string {
  return String(version).padStart(20, '0')
}

/** The commit file of a version, as an object path. */
export function commitPath(table: string, version: number): string {
  return `${logFolder(table)}/${versionDigits(version)}.json`
}

/** The checkpoint of a version in one file, as an object path. */
export function checkpointPath(table: string, version: number): string {
  return `${logFolder(table)}/${versionDigits(version)}.checkpoint.parquet`
}

/** The file that hints at the newest checkpoint, as an object path. */
export function hintPath(table: string): string {
  return `${logFolder(table)}/_last_checkpoint`
}

/** What a file of the log is. */
export type LogFile =
  | { readonly kind: 'commit'; readonly version: number }
  | { readonly kind: 'checkpoint'; readonly version: number; readonly part: number; readonly parts: number }
  | { readonly kind: 'v2-checkpoint'; readonly version: number }

const COMMIT = /^(\d{20})\.json$/
const CHECKPOINT = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$/
const V2_CHECKPOINT = /^(\d{20})\.checkpoint\.[0-9a-f-]{36}\.(?:json|parquet)$/

/** Reads the name of a file of the log; undefined for files that do not matter (checksums, compactions, hints). */
export function parseLogFile(path: string): LogFile | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const commit = COMMIT.exec(name)
  if (commit !== null) return { kind: 'commit', version: Number(commit[1]) }
  const checkpoint = CHECKPOINT.exec(name)
  if (checkpoint !== null) {
    const [, version, part = 1, parts = 1] = checkpoint
    return { kind: 'checkpoint', version: Number(version), part: Number(part), parts: Number(parts) }
  }
  const v2 = V2_CHECKPOINT.exec(name)
  return v2 === null ? undefined : { kind: 'v2-checkpoint', version: Number(v2[1]) }
}

/**
 * The object path of a data file, from its path in the log: decoded once, and below the table's folder.
 *
 * @throws {AsofError} `invalid_path` for an absolute path, a URI, or one that leads out of the table
 */
export function dataFilePath(table: string, logged: string): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(logged)) {
    throw invalid('invalid_path', 'the log names a file outside of its table, which asof does not follow', {
      table,
      path: logged.slice(0, 200),
    })
  }
  let decoded: string
  try {
    decoded = decodeURIComponent(logged)
  } catch {
    throw corrupt('corrupt_path', 'the log holds a path that is not percent-encoded', { table, path: logged })
  }
  // The parts are checked alone, so that `/x` is seen to be absolute.
  return `${table}/${checkObjectPath(decoded)}`
}

/** A path below the table's folder, as the log writes it. */
export function loggedPath(path: string): string {
  return path
    .split('/')
    .map((part) => encodeURIComponent(part).replaceAll('%3D', '='))
    .join('/')
}

/** The folders that a file lies in by its partition values: `day=2024-01-31/`, or empty. The log alone says what they are. */
export function partitionFolder(
  values: readonly (readonly [column: string, value: string | null])[],
): string {
  return values.map(([column, value]) => `${partitionPart(column, value)}/`).join('')
}

function partitionPart(column: string, value: string | null): string {
  const part = `${escapePart(column)}=${value === null ? '__HIVE_DEFAULT_PARTITION__' : escapePart(value)}`
  if (Buffer.byteLength(part) <= PART_BYTES_MAX) return part
  // A name that is too long for a disk gives way to its hash; readers take the value from the log.
  return `${escapePart(column).slice(0, 60)}=${createHash('sha256').update(part).digest('hex').slice(0, 32)}`
}

/** Disks take 255 bytes a name. */
const PART_BYTES_MAX = 200

/** As Hive does: what a file system or a glob could misread becomes `%XX`. */
function escapePart(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not get into a file name
  return text.replace(/[\x00-\x1f"#%'*/:=?\\\x7f{[\]^<>|]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })
}
