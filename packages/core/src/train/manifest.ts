import { corrupt, invalid } from '../errors/asof-error.ts'
import type { TimeColumn } from '../model/definition.ts'
import type { Status } from '../model/status.ts'
import type { Knowledge } from '../point-in-time/visible.ts'
import type { LabelSession } from '../ports/compute-engine.ts'

/** Name of the manifest in a training set's folder. */
export const MANIFEST_FILE = 'manifest.json'
/** Version of the manifest's form. */
export const MANIFEST_FORMAT = 1

/**
 * What a training set was made from, and what is in it: everything that is needed to make the same bytes again, and to
 * see that these are they. Instants are RFC 3339 texts; differences of instants are whole microseconds.
 */
export interface TrainingManifest {
  readonly format: typeof MANIFEST_FORMAT
  /** Name and version of the program that wrote it. */
  readonly writer: string
  readonly project: string
  /** Registry revision of the definitions. */
  readonly revision: number | undefined
  readonly service: {
    readonly name: string
    /** Everything that decides a vector's meaning and order, on-demand code included. */
    readonly fingerprint: string
  }
  readonly knowledge: Knowledge
  /** Everything committed up to this instant was read; no label is later. */
  readonly horizon: string
  readonly labels: ManifestLabels
  readonly groups: readonly ManifestGroup[]
  readonly onDemand: readonly { readonly group: string; readonly code: string; readonly errors: number }[]
  readonly features: readonly ManifestFeature[]
  readonly output: {
    readonly format: TrainingFormat
    readonly statuses: boolean
    readonly eventTimes: boolean
    readonly files: readonly ManifestFile[]
  }
}

/** Forms of the output: Parquet and CSV files, or a Delta table in the folder `data`. */
export type TrainingFormat = 'parquet' | 'csv' | 'delta'

/** The labels of a set. */
export interface ManifestLabels {
  /** Where they came from, in the caller's words. */
  readonly from: string | undefined
  readonly at: TimeColumn
  readonly rows: number
  /** How their text columns are read as values. */
  readonly form: LabelSession['form']
  readonly columns: readonly { readonly name: string; readonly physical: string }[]
  /** SHA-256 over the rows, in order. */
  readonly fingerprint: string
  readonly first: string | undefined
  readonly last: string | undefined
}

/** One group version under one way of naming its keys. */
export interface ManifestGroup {
  readonly group: string
  readonly fingerprint: string
  /** Label column of each join key. */
  readonly keys: Readonly<Record<string, string>>
  readonly table: string
  readonly tableVersion: number | undefined
  readonly boundary: 'inclusive' | 'exclusive'
  /** Microseconds. */
  readonly ttl: number | undefined
  readonly filesRead: number
  readonly filesTotal: number
  /** Labels with a null in the key. */
  readonly nullKeys: number
  /** Labels answered by a row, and over these the largest `e - T` and `c - T` in microseconds. */
  readonly rowsUsed: number
  readonly largestEventLead: number | undefined
  readonly largestCreatedLead: number | undefined
}

/** One feature of the set, with the number of labels by status. */
export interface ManifestFeature {
  readonly name: string
  readonly type: string
  readonly from: string
  readonly statuses: Readonly<Record<Status, number>>
  /** Labels for which the declared default stands in. */
  readonly defaulted: number
}

/** One file of the output, relative to the set's folder. */
export interface ManifestFile {
  readonly path: string
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
}

/** The manifest as text. */
export function writeManifest(manifest: TrainingManifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/**
 * Reads a manifest.
 *
 * @throws {AsofError} `damaged_manifest`; `manifest_format_unknown` for one of another version of asof
 */
export function readManifest(text: string, path: string): TrainingManifest {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw corrupt('damaged_manifest', 'the manifest is not JSON', {
      path,
      cause: String(cause).slice(0, 100),
    })
  }
  const manifest = json as TrainingManifest
  if (typeof json !== 'object' || json === null || !Array.isArray(manifest.output?.files)) {
    throw corrupt('damaged_manifest', 'the manifest lacks its list of files', { path })
  }
  if (manifest.format !== MANIFEST_FORMAT) {
    throw invalid('manifest_format_unknown', 'the manifest was written by another version of asof', {
      path,
      format: String(manifest.format),
      known: MANIFEST_FORMAT,
    })
  }
  return manifest
}
