import type { Duration } from '../clock/duration.ts'
import type { Instant } from '../clock/instant.ts'
import { notFound } from '../errors/asof-error.ts'
import type { Declared, FeatureSet, Nullable } from './declared.ts'
import type { Described, GroupDefinition, OnDemandInput, ServiceFeature } from './definition.ts'
import { groupId } from './definition.ts'
import type { Entity } from './entity.ts'
import type { Input } from './on-demand.ts'
import { readDefinition } from './read-definition.ts'
import type { Source } from './source.ts'
import type { TypedFields, ValueOf } from './typed-field.ts'
import { namedFields } from './typed-field.ts'

/** The values of declared features by name. */
export type FeatureRecord<Features> = { readonly [Name in keyof Features]: ValueOf<Features[Name]> }

/** A declared feature group: a service takes it whole or in part, on-demand groups read its features. */
export interface FeatureGroup<Keys extends object, Features extends TypedFields>
  extends FeatureSet<Keys, object, FeatureRecord<Features>>, Declared<GroupDefinition> {
  /** One feature, as an input of an on-demand group. */
  feature<Name extends keyof Features & string>(name: Name): Input<ValueOf<Features[Name]>, Keys, object>
  /** The event time of the row that answers, or null without one, as an input of an on-demand group. */
  eventTime(): Input<Instant, Keys, object>
  /** Some of the features, in the order named. */
  pick<Name extends keyof Features & string>(
    ...names: readonly [Name, ...Name[]]
  ): FeatureSet<Keys, object, { readonly [N in Name]: ValueOf<Features[N]> }>
}

/** What every group is declared with. */
export interface GroupOptions<Keys extends object, Features extends TypedFields> extends Described {
  readonly entity: Entity<Keys>
  /** The features in order; a service that takes the whole group answers them in this order. */
  readonly features: Features
  /** 1 by default. Another version is another group beside this one, with its own rows. */
  readonly version?: number
  /** Column for each join key that the source or query names otherwise. */
  readonly key?: { readonly [Name in keyof NoInfer<Keys>]?: string }
  /** How long a row answers after its event time; for ever by default. */
  readonly ttl?: Duration
  /** `exclusive` where the events are the label stream itself: a row dated T is not seen at T. */
  readonly boundary?: 'inclusive' | 'exclusive'
  /** Whether the newest rows are also in the online store; true by default. */
  readonly online?: boolean
  readonly status?: 'staging' | 'active' | 'deprecated'
  /**
   * With the status `deprecated`: until when the group can be relied on, and what to read instead, `hourly@2` or the
   * group itself. Plans, answers and search say so.
   */
  readonly deprecation?: {
    readonly after: string
    readonly replacement?: string | Declared<GroupDefinition>
  }
  /** The promise: how old the newest complete row may be. */
  readonly freshness?: Duration
  /** A column that nobody declared: left out (of a source), or refuses the row (of a query or push). */
  readonly unknownColumns?: 'strict' | 'additive'
  /** How the offline table is cut into folders: by event time, or not at all. */
  readonly partition?: 'none' | 'day' | 'month'
}

/** When a group is computed. Intervals are aligned to the Unix epoch. */
export interface ScheduleOptions {
  readonly every: Duration
  /** How long after an interval's end its run begins. */
  readonly delay?: Duration
  /** How long a run takes until its rows can be read. */
  readonly runtime?: Duration
  /** How far before its interval a run reads again, for stragglers; 1 day by default. */
  readonly lookback?: Duration
}

interface NoSchedule {
  readonly every?: never
  readonly runtime?: never
  readonly lookback?: never
}

/** Where a group's rows come from: a source as it is, a query on a schedule, or pushes alone. */
export type GroupInput =
  | ({ readonly source: Source; readonly query?: never; readonly sources?: never } & (
      | ScheduleOptions
      | (NoSchedule & { readonly delay?: Duration })
    ))
  | ({
      readonly query: string
      readonly sources: readonly Source[]
      readonly source?: never
    } & ScheduleOptions)
  | ({
      readonly source?: never
      readonly query?: never
      readonly sources?: never
      readonly delay?: never
    } & NoSchedule)

/**
 * Declares features of one entity that are computed together.
 *
 * @throws {AsofError} of kind `invalid`, naming the property
 * @example
 * ```ts
 * const hourly = featureGroup('airport_hourly', {
 *   entity: airport, sources: [flights], every: '1h', ttl: '7d', owner: 'ops-ml',
 *   query: `SELECT origin AS airport, date_trunc('hour', date) + INTERVAL 1 HOUR AS event_timestamp,
 *                  avg(delay) AS delay_mean FROM flights GROUP BY ALL`,
 *   features: { delay_mean: float64() },
 * })
 * ```
 */
export function featureGroup<Keys extends object, const Features extends TypedFields>(
  name: string,
  options: GroupOptions<Keys, Features> & GroupInput,
): FeatureGroup<Keys, Features> {
  const { entity, source, query, sources, every, delay, runtime, lookback, features, ...others } = options
  const { deprecation, ...rest } = others
  const replacement = deprecation?.replacement
  const reads = source === undefined ? (sources ?? []) : [source]
  const scheduled = every !== undefined || runtime !== undefined || lookback !== undefined
  const definition = readDefinition(
    {
      ...rest,
      kind: 'group',
      name,
      entity: entity.definition.name,
      compute: computeOf(source, query, sources),
      features: namedFields(features),
      schedule: scheduled ? { every, delay, runtime, lookback } : undefined,
      delay: scheduled ? undefined : delay,
      deprecation: deprecation && {
        ...deprecation,
        replacement: typeof replacement === 'object' ? groupId(replacement.definition) : replacement,
      },
    },
    `feature group ${name}`,
  ) as GroupDefinition
  const refersTo = [entity, ...reads, ...(typeof replacement === 'object' ? [replacement] : [])]
  const declared: Declared = { definition, refersTo }
  const answered = answeredBy(
    definition,
    entity.definition.keys.map((key) => key.name),
  )
  const group = groupId(definition)
  const known = (feature: string): string => {
    if (definition.features.some((field) => field.name === feature)) return feature
    throw notFound('feature_not_found', 'the group has no such feature', { group, feature })
  }
  const input = (from: OnDemandInput['from']): { from: OnDemandInput['from']; declaredBy: Declared } => ({
    from,
    declaredBy: declared,
  })
  return Object.freeze({
    ...declared,
    definition,
    features: answered,
    declaredBy: [declared],
    feature: (feature: string) =>
      input({ group: name, version: definition.version, feature: known(feature) }),
    eventTime: () => input({ eventTimeOf: name, version: definition.version }),
    pick(...names: readonly string[]) {
      const picked = names.flatMap((each) => answered.filter((feature) => feature.name === known(each)))
      return Object.freeze({ features: picked, declaredBy: [declared] })
    },
  })
}

function computeOf(
  source: Source | undefined,
  query: string | undefined,
  sources: readonly Source[] | undefined,
): unknown {
  const from = [source === undefined ? [] : 'source', query === undefined ? [] : 'query'].flat()
  return {
    from: from[0] ?? 'push',
    source: source?.definition.name,
    query,
    sources: sources?.map((each) => each.definition.name),
  }
}

/** Every feature of a group as a service takes it, its join keys under their own names. */
export function answeredBy(
  group: {
    readonly name: string
    readonly version: number
    readonly features: readonly { readonly name: string }[]
  },
  joinKeys: readonly string[],
): readonly ServiceFeature[] {
  const keys = Object.fromEntries(joinKeys.map((key) => [key, key]))
  return group.features.map(({ name }) => ({
    name,
    group: group.name,
    version: group.version,
    feature: name,
    keys,
  }))
}

/** The values of features as a vector carries them: each may be null. */
export type VectorRecord<Features> = Nullable<FeatureRecord<Features>>
