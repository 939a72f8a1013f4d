import type { Duration } from '../clock/duration.ts'
import type { Field, KeyType } from './feature-type.ts'

/**
 * Definitions as plain values: what `asof export` prints, the registry keeps and every layer below reads. The typed
 * builders (`entity()`, `featureGroup()` …) make these.
 */
export type Definition =
  | EntityDefinition
  | SourceDefinition
  | GroupDefinition
  | OnDemandDefinition
  | ServiceDefinition

/** What people say about any definition. */
export interface Described {
  readonly description?: string
  readonly owner?: string
  readonly tags?: readonly string[]
}

/** A thing that features describe: typed join keys, or none for one global row. */
export interface EntityDefinition extends Described {
  readonly kind: 'entity'
  readonly name: string
  readonly keys: readonly { readonly name: string; readonly type: KeyType }[]
}

/** Where raw rows come from. */
export interface SourceDefinition extends Described {
  readonly kind: 'source'
  readonly name: string
  readonly reads: SourceReads
  /** Absent for a reference table and for a request. */
  readonly eventTime?: TimeColumn
  /** When a row could first be known; a history without it is refused. */
  readonly created?: CreatedTime
  /** What becomes of rows dated further ahead than `futureMax`; quarantined by default. */
  readonly future?: 'hold' | 'quarantine'
}

/** What a source reads. Paths are relative to the project's folder. */
export type SourceReads =
  | { readonly format: 'parquet' | 'csv' | 'jsonl'; readonly path: string }
  | { readonly format: 'delta'; readonly path: string }
  | { readonly format: 'sql'; readonly query: string; readonly sources: readonly string[] }
  | { readonly format: 'request'; readonly fields: readonly Field[] }

/** A column that holds an instant; a time without a zone needs `zone`, a number needs `unit`. */
export interface TimeColumn {
  readonly column: string
  readonly zone?: string
  readonly unit?: 's' | 'ms' | 'us' | 'ns'
}

/** When a source's row became known: a column, so long after its event, or the Delta commit that brought it. */
export type CreatedTime = TimeColumn | { readonly delay: Duration } | 'commit'

/** Features of one entity, computed together. */
export interface GroupDefinition extends Described {
  readonly kind: 'group'
  readonly name: string
  readonly version: number
  readonly entity: string
  /** Column of the source or query for each join key, where it is named otherwise. */
  readonly key: Readonly<Record<string, string>>
  /** A source as it is, a query over sources, or rows that are only pushed. */
  readonly compute:
    | { readonly from: 'source'; readonly source: string }
    | { readonly from: 'query'; readonly query: string; readonly sources: readonly string[] }
    | { readonly from: 'push' }
  readonly features: readonly Field[]
  readonly schedule?: {
    readonly every: Duration
    readonly delay: Duration
    readonly runtime: Duration
    readonly lookback: Duration
  }
  /** Added to the created time of a group without a schedule. */
  readonly delay: Duration
  readonly ttl?: Duration
  readonly boundary: 'inclusive' | 'exclusive'
  readonly online: boolean
  readonly status: 'staging' | 'active' | 'deprecated'
  /** Until when a deprecated group is kept, and what to read instead; only with the status `deprecated`. */
  readonly deprecation?: Deprecation
  /** What happens to columns that the group does not declare: refuse the row, or leave them out. */
  readonly unknownColumns: 'strict' | 'additive'
  readonly freshness?: Duration
  /** How the offline table is cut into folders. */
  readonly partition: 'none' | 'day' | 'month'
}

/** What users of a deprecated group are told. */
export interface Deprecation {
  /** The last day on which it can be relied on, `YYYY-MM-DD` (UTC). */
  readonly after: string
  /** The group version to read instead: `hourly@2`. */
  readonly replacement?: string
}

/** One value that an on-demand function reads: a feature of a group, or an input of a request. */
export interface OnDemandInput {
  /** The name under which the function sees it. */
  readonly name: string
  readonly from:
    | { readonly group: string; readonly version: number; readonly feature: string }
    | { readonly request: string; readonly field: string }
    /** The event time of the row that answers for a group. */
    | { readonly eventTimeOf: string; readonly version: number }
  /** For join keys of the group's entity, their names among those of the on-demand group, where an entity has a role. */
  readonly keys?: Readonly<Record<string, string>>
}

/** Features computed when asked, by a pure function. */
export interface OnDemandDefinition extends Described {
  readonly kind: 'on_demand'
  readonly name: string
  readonly version: number
  readonly inputs: readonly OnDemandInput[]
  readonly features: readonly Field[]
  /** The function's module (relative to the project's folder), its export, and a hash over it and what it imports. */
  readonly code: { readonly module: string; readonly fingerprint: string }
}

/** One feature of a service, in the order of the vector. */
export interface ServiceFeature {
  /** Its name in the vector. */
  readonly name: string
  readonly group: string
  readonly version: number
  readonly feature: string
  /** Name in the request for each join key of the group's entity: where an entity has a role (buyer, seller). */
  readonly keys: Readonly<Record<string, string>>
}

/** What one model reads: features in order. */
export interface ServiceDefinition extends Described {
  readonly kind: 'service'
  readonly name: string
  readonly features: readonly ServiceFeature[]
  readonly consumers: readonly Consumer[]
}

/** A model that reads a service, and the team to tell when the service changes. */
export interface Consumer {
  readonly model: string
  readonly version: string
  readonly team: string
}

/** The name of a definition in a project: groups and on-demand groups are named with their version. */
export function definitionId(definition: Definition): string {
  return definition.kind === 'group' || definition.kind === 'on_demand'
    ? `${definition.kind}/${definition.name}@${definition.version}`
    : `${definition.kind}/${definition.name}`
}

/** The name of a group version: `departure_delays@1`. */
export function groupId(group: { readonly name: string; readonly version: number }): string {
  return `${group.name}@${group.version}`
}
