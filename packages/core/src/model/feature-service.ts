import { invalid, notFound } from '../errors/asof-error.ts'
import type {
  Asks,
  Declared,
  FeatureSet,
  Flat,
  Nullable,
  SetKeys,
  SetRequest,
  SetVector,
  Together,
} from './declared.ts'
import type { Described, ServiceDefinition, ServiceFeature } from './definition.ts'
import { checkName } from './name.ts'
import type { Input } from './on-demand.ts'
import { readDefinition } from './read-definition.ts'

/** A declared service; at compile time it knows what a lookup is asked with and what it answers. */
export interface FeatureService<
  Keys extends object = object,
  Request extends object = object,
  Vector extends object = object,
>
  extends Asks<Keys, Request, Vector>, Declared<ServiceDefinition> {}

/** The entity key of a lookup: every join key by its name in the request. A null part answers `not_found`. */
export type KeysOf<Service> = Nullable<SetKeys<Service>>
/** The request inputs of a lookup, by name. */
export type RequestOf<Service> = Nullable<SetRequest<Service>>
/** A vector: every feature by name, value or null. */
export type VectorOf<Service> = Nullable<SetVector<Service>>
/** A row of a training set: the label's columns and the vector. */
export type TrainingRowOf<Service, Labels extends object = KeysOf<Service> & RequestOf<Service>> = Flat<
  Labels & VectorOf<Service>
>

type AnySet = FeatureSet<object, object, object>

/** What a service is declared with. */
export interface ServiceOptions<Sets extends readonly AnySet[]> extends Described {
  /** Groups, picks, aliases and on-demand groups: the vector has their features in this order. */
  readonly features: Sets
  /** The models that read the service: a breaking change names them. */
  readonly consumers?: ServiceDefinition['consumers']
}

/**
 * Declares what one model reads.
 *
 * @throws {AsofError} `duplicate_feature` for two features of one name, naming both
 * @example
 * ```ts
 * const delayModel = featureService('delay_model', {
 *   features: [hourly, context, daily.pick('flights')],
 *   consumers: [{ model: 'delay', version: '7', team: 'ops-ml' }],
 * })
 * ```
 */
export function featureService<const Sets extends readonly AnySet[]>(
  name: string,
  options: ServiceOptions<Sets>,
): FeatureService<
  Flat<Together<SetKeys<Sets[number]>>>,
  Flat<Together<SetRequest<Sets[number]>>>,
  Flat<Together<SetVector<Sets[number]>>>
> {
  const { features, ...rest } = options
  const definition = readDefinition(
    { ...rest, kind: 'service', name, features: features.flatMap((set) => set.features) },
    `feature service ${name}`,
  )
  return Object.freeze({
    definition: definition as ServiceDefinition,
    refersTo: [...new Set(features.flatMap((set) => set.declaredBy))],
  })
}

type Renamed<Keys, Names> = {
  readonly [
    Name in keyof Keys as Name extends keyof Names ? (Names[Name] extends string ? Names[Name] : Name) : Name
  ]: Keys[Name]
}

/** Features of an entity in a role. */
export interface AliasedSet<
  Keys extends object,
  Request extends object,
  Vector extends object,
  Features extends object,
> extends FeatureSet<Keys, Request, Vector> {
  /**
   * One of the features, by its own name, as an input of an on-demand group.
   *
   * @throws {AsofError} `feature_not_found`
   */
  feature<Name extends keyof Features & string>(name: Name): Input<Features[Name], Keys, Request>
}

/**
 * The same features for an entity in another role: join keys renamed in the request, features named
 * `{role}_{feature}`.
 *
 * @throws {AsofError} `unknown_key` for a key that the features do not have
 * @example
 * ```ts
 * const fraud = featureService('fraud', {
 *   features: [alias(userStats, 'buyer', { user_id: 'buyer_id' }), alias(userStats, 'seller', { user_id: 'seller_id' })],
 * })
 * fraud.definition.features.map((feature) => feature.name) // ['buyer_orders', 'seller_orders']
 * ```
 */
export function alias<
  Keys extends object,
  Request extends object,
  Vector extends object,
  const Role extends string,
  const Names extends { readonly [Name in keyof Keys]?: string },
>(
  set: FeatureSet<Keys, Request, Vector>,
  role: Role,
  keys: Names & { readonly [Name in Exclude<keyof Names, keyof Keys>]: never },
): AliasedSet<
  Renamed<Keys, Names>,
  Request,
  { readonly [Name in keyof Vector & string as `${Role}_${Name}`]: Vector[Name] },
  Vector
> {
  checkName(role, 'role')
  const names: Readonly<Record<string, string | undefined>> = keys
  const asked = new Set(set.features.flatMap((feature) => Object.values(feature.keys)))
  for (const name of Object.keys(names)) {
    if (!asked.has(name))
      throw invalid('unknown_key', 'the features have no such join key', { role, key: name })
  }
  const renamed = (feature: ServiceFeature): ServiceFeature => ({
    ...feature,
    name: `${role}_${feature.name}`,
    keys: Object.fromEntries(Object.entries(feature.keys).map(([key, name]) => [key, names[name] ?? name])),
  })
  const feature = (wanted: string): Input<never, Renamed<Keys, Names>, Request> => {
    const found = set.features.find((each) => each.name === wanted)
    const declaredBy = set.declaredBy.find(
      ({ definition: { kind, name, ...rest } }) =>
        (kind === 'group' || kind === 'on_demand') &&
        name === found?.group &&
        'version' in rest &&
        rest.version === found.version,
    )
    if (found === undefined || declaredBy === undefined) {
      throw notFound('feature_not_found', 'the features have no such one', { role, feature: wanted })
    }
    const from = { group: found.group, version: found.version, feature: found.feature }
    return { from, declaredBy, keys: renamed(found).keys }
  }
  return Object.freeze({ features: set.features.map(renamed), declaredBy: set.declaredBy, feature })
}
