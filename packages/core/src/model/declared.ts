import type { Definition, ServiceFeature } from './definition.ts'

/** A definition with the definitions that it refers to; what the builders answer and `project()` collects. */
export interface Declared<D extends Definition = Definition> {
  readonly definition: D
  readonly refersTo: readonly Declared[]
}

declare const keysType: unique symbol
declare const requestType: unique symbol
declare const vectorType: unique symbol

/** What a lookup is asked with and what it answers, by name; at compile time alone. */
export interface Asks<Keys extends object, Request extends object, Vector extends object> {
  readonly [keysType]?: Keys
  readonly [requestType]?: Request
  readonly [vectorType]?: Vector
  /** The same by a name, for programs that see a declared service without this package. */
  readonly $types?: { readonly keys: Keys; readonly request: Request; readonly vector: Vector }
}

/** Features that a service can take, in order: a group, some of its features, an alias, an on-demand group. */
export interface FeatureSet<Keys extends object, Request extends object, Vector extends object> extends Asks<
  Keys,
  Request,
  Vector
> {
  readonly features: readonly ServiceFeature[]
  /** The definitions that the features come from. */
  readonly declaredBy: readonly Declared[]
}

/** One type out of what a union's members demand together. */
export type Together<Union> = (Union extends unknown ? (member: Union) => void : never) extends (
  member: infer All,
) => void
  ? All
  : never

/** The same record type, written out. */
export type Flat<Record> = { readonly [Name in keyof Record]: Record[Name] }

/** The same record, each value or null. */
export type Nullable<Record> = { readonly [Name in keyof Record]: Record[Name] | null }

/** What a set is asked with. */
export type SetKeys<Set> = Set extends Asks<infer Keys, object, object> ? Keys : never
/** The request fields that a set needs. */
export type SetRequest<Set> = Set extends Asks<object, infer Request, object> ? Request : never
/** What a set answers. */
export type SetVector<Set> = Set extends Asks<object, object, infer Vector> ? Vector : never
