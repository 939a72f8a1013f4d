import type { Instant } from '../clock/instant.ts'
import type { Declared, FeatureSet, Flat, Nullable, Together } from './declared.ts'
import type { Described, EntityDefinition, OnDemandDefinition, OnDemandInput } from './definition.ts'
import { answeredBy } from './feature-group.ts'
import type { FeatureRecord } from './feature-group.ts'
import { readDefinition } from './read-definition.ts'
import type { TypedFields } from './typed-field.ts'
import { namedFields } from './typed-field.ts'
import type { Value } from './value.ts'

declare const inputType: unique symbol

/** One value that an on-demand function reads, of type `T` or null. */
export interface Input<T, Keys extends object, Request extends object> {
  readonly from: OnDemandInput['from']
  readonly keys?: OnDemandInput['keys']
  readonly declaredBy: Declared
  readonly [inputType]?: { readonly value: T; readonly keys: Keys; readonly request: Request }
}

/** Inputs by the name under which the function sees them. */
export type Inputs = Readonly<Record<string, Input<unknown, object, object>>>

/** What the function is called with. */
export type InputValues<I> = {
  readonly [Name in keyof I]: I[Name] extends Input<infer T, object, object> ? T | null : never
}

type InputKeys<I> = I extends Input<unknown, infer Keys, object> ? Keys : never
type InputRequest<I> = I extends Input<unknown, object, infer Request> ? Request : never

/** The function as engines call it: by names that they took from the definition. */
export type OnDemandFunction = (
  inputs: Readonly<Record<string, Value | number | null>>,
  at: Instant,
) => Readonly<Record<string, Value | null>>

/** A declared on-demand group with its function. */
export interface OnDemandGroup<Keys extends object, Request extends object, Vector extends object>
  extends FeatureSet<Keys, Request, Vector>, Declared<OnDemandDefinition> {
  readonly compute: OnDemandFunction
  /** URL of the module that the function lives in. */
  readonly module: string
}

/** What an on-demand group is declared with. */
export interface OnDemandOptions<I extends Inputs, Features extends TypedFields, Result> extends Described {
  /** `import.meta.url` of the module that the function lives in: it and what it imports are part of the version. */
  readonly module: string
  readonly version?: number
  readonly inputs: I
  readonly features: Features
  /**
   * A pure function of its inputs and of the instant `at` that is asked for: no clock, no network, no chance.
   * Answers every declared feature, value or null, and no other.
   */
  readonly compute: (inputs: InputValues<I>, at: Instant) => Result & OnlyDeclared<Result, Features>
}

type OnlyDeclared<Result, Features> = { readonly [Name in Exclude<keyof Result, keyof Features>]: never }

/**
 * Declares features that are computed when asked, by the same code in serving and in training. An input of an entity in a role
 * is one of `alias`: `alias(userStats, 'buyer', { user_id: 'buyer_id' }).feature('orders')`.
 *
 * @throws {AsofError} of kind `invalid`, naming the property
 * @example
 * ```ts
 * const context = onDemand('flight_context', {
 *   module: import.meta.url,
 *   inputs: { scheduled: flight.field('scheduled'), mean: hourly.feature('delay_mean') },
 *   features: { hour_of_day: int32() },
 *   compute: ({ scheduled }) => ({
 *     hour_of_day: scheduled === null ? null : Number((scheduled / 3_600_000_000n) % 24n),
 *   }),
 * })
 * ```
 */
export function onDemand<
  const I extends Inputs,
  const Features extends TypedFields,
  Result extends Nullable<FeatureRecord<Features>>,
>(
  name: string,
  options: OnDemandOptions<I, Features, Result>,
): OnDemandGroup<
  Flat<Together<InputKeys<I[keyof I]>>>,
  Flat<Together<InputRequest<I[keyof I]>>>,
  FeatureRecord<Features>
> {
  const { module, inputs, features, compute, ...rest } = options
  const definition = readDefinition(
    {
      ...rest,
      kind: 'on_demand',
      name,
      inputs: Object.entries(inputs).map(([input, { from, keys }]) => ({ name: input, from, keys })),
      features: namedFields(features),
      code: { module: '', fingerprint: '' },
    },
    `on-demand group ${name}`,
  ) as OnDemandDefinition
  const refersTo = [...new Set(Object.values(inputs).map((input) => input.declaredBy))]
  const declared: Declared = { definition, refersTo }
  const keys = Object.values(inputs).flatMap((input) => {
    const entities = input.declaredBy.refersTo.map((each) => each.definition).filter(isEntity)
    return entities.flatMap((each) => each.keys.map(({ name: key }) => input.keys?.[key] ?? key))
  })
  const group = {
    ...declared,
    definition,
    features: answeredBy(definition, keys),
    compute: compute as unknown as OnDemandFunction,
    module,
  }
  return Object.freeze({ ...group, declaredBy: [group] })
}

function isEntity(definition: { readonly kind: string }): definition is EntityDefinition {
  return definition.kind === 'entity'
}
