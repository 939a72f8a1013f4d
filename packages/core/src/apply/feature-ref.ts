import { invalid, notFound } from '../errors/asof-error.ts'
import { similarNames } from '../errors/similar-names.ts'
import type { OnDemandDefinition } from '../model/definition.ts'
import type { Field } from '../model/feature-type.ts'
import type { AppliedGroup, Snapshot } from './snapshot.ts'

/** A feature found by its reference. */
export type ResolvedFeature = { readonly feature: Field } & (
  | { readonly kind: 'group'; readonly group: AppliedGroup }
  | { readonly kind: 'on_demand'; readonly group: OnDemandDefinition }
)

const REFERENCE = /^(?:([a-z][a-z0-9_]*)\.)?([a-z][a-z0-9_]*)(?:@(\d{1,7}))?:([a-z][a-z0-9_]*)$/

/**
 * Finds a feature by `group:feature`, `group@version:feature` or `project.group@version:feature`. Without a version
 * it is that of the highest active version.
 *
 * @throws {AsofError} `invalid_reference`; of kind `not_found`, naming the versions that there are
 * @example
 * ```ts
 * resolveFeature(snapshot, 'airport_hourly:delay_mean').feature.type // { kind: 'float64' }
 * ```
 */
export function resolveFeature(snapshot: Snapshot, reference: string): ResolvedFeature {
  const match = REFERENCE.exec(reference)
  if (match === null) {
    throw invalid('invalid_reference', 'a feature is written group:feature or group@2:feature', {
      reference: reference.slice(0, 200),
    })
  }
  const [, project = snapshot.project, group = '', version, feature = ''] = match
  if (project !== snapshot.project) {
    throw notFound('project_not_found', 'the reference names another project', {
      reference,
      project: snapshot.project,
    })
  }
  const found = candidates(snapshot, group)
  const resolved =
    version === undefined
      ? found.filter((candidate) => candidate.active).at(-1)
      : found.find((candidate) => candidate.version === Number(version))
  if (resolved === undefined) {
    const versions = found.map((candidate) => candidate.version).join(', ')
    const text =
      version === undefined && found.length > 0 ? 'no version of the group is active' : 'group not found'
    const named = [...snapshot.groups.values()].map(({ definition }) => definition.name)
    const computed = [...snapshot.onDemand.values()].map(({ name }) => name)
    throw notFound('group_not_found', text, {
      reference,
      versions: versions === '' ? undefined : versions,
      similar: found.length > 0 ? undefined : similarNames(group, [...named, ...computed]),
    })
  }
  const { features } = 'definition' in resolved.group ? resolved.group.definition : resolved.group
  const field = features.find((candidate) => candidate.name === feature)
  if (field === undefined) {
    throw notFound('feature_not_found', 'the group has no such feature', {
      reference,
      similar: similarNames(
        feature,
        features.map(({ name }) => name),
      ),
    })
  }
  return 'definition' in resolved.group
    ? { kind: 'group', group: resolved.group, feature: field }
    : { kind: 'on_demand', group: resolved.group, feature: field }
}

interface Candidate {
  readonly version: number
  readonly active: boolean
  readonly group: AppliedGroup | OnDemandDefinition
}

/** All versions of a group, the highest last. An on-demand group has no status: it is active. */
function candidates(snapshot: Snapshot, name: string): Candidate[] {
  const stored = [...snapshot.groups.values()]
    .filter((group) => group.definition.name === name)
    .map((group) => ({
      version: group.definition.version,
      active: group.definition.status === 'active',
      group,
    }))
  const computed = [...snapshot.onDemand.values()]
    .filter((group) => group.name === name)
    .map((group) => ({ version: group.version, active: true, group }))
  return [...stored, ...computed].sort((a, b) => a.version - b.version)
}
