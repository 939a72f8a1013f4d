import { resolveFeature } from '../apply/feature-ref.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import { invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { ServiceDefinition, ServiceFeature } from '../model/definition.ts'

/** Features by reference, as `group:feature` or `group@2:feature`: a service for those who have declared none. */
export interface FeatureList {
  readonly features: readonly string[]
}

/** The name of a service that is only a list of features; no declared service can have it. */
export const LISTED_SERVICE = '(features)'

/**
 * The service that a list of features stands for. Each feature is named in the vector as it was asked for; one that is asked for
 * twice is there once.
 *
 * @throws {AsofError} `no_features`, `too_many_features`; whatever `resolveFeature` throws
 */
export function listedService(snapshot: Snapshot, { features }: FeatureList): ServiceDefinition {
  const distinct = [...new Set(features)]
  if (distinct.length === 0) throw invalid('no_features', 'a list of features needs one')
  if (distinct.length > LIMITS.serviceFeaturesMax) {
    throw invalid('too_many_features', 'ask for fewer features at once', {
      features: distinct.length,
      serviceFeaturesMax: LIMITS.serviceFeaturesMax,
    })
  }
  return {
    kind: 'service',
    name: LISTED_SERVICE,
    features: distinct.map((reference): ServiceFeature => {
      const { feature, ...found } = resolveFeature(snapshot, reference)
      const { name, version } = found.kind === 'group' ? found.group.definition : found.group
      return { name: reference, group: name, version, feature: feature.name, keys: {} }
    }),
    consumers: [],
  }
}
