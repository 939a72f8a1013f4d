import { invalid } from '../errors/asof-error.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import type { Definition, ServiceDefinition } from '../model/definition.ts'
import { definitionId, groupId } from '../model/definition.ts'
import type { DefinitionIndex } from '../model/definition-index.ts'
import { indexDefinitions } from '../model/definition-index.ts'
import { checkZones } from './check-zones.ts'
import { compareDefinitions, compareWithRetired } from './compare-definitions.ts'
import type { CompareContext, Finding, Severity } from './compare-definitions.ts'
import { definitionsById, serviceReaders } from './dependencies.ts'
import { definitionsOf } from './next-snapshot.ts'
import { deprecationWarnings, type PlanWarning } from './deprecation-warnings.ts'
import { sameJson } from './same-json.ts'
import { consumersOf, type Snapshot } from './snapshot.ts'

export type { Severity } from './compare-definitions.ts'

/** One definition that applying would add, change or remove. */
export interface PlannedChange {
  /** As `definitionId`: `group/airport_hourly@1`. */
  readonly id: string
  readonly change: 'add' | 'change' | 'remove'
  /** The worst of its reasons. */
  readonly severity: Severity
  /** What changes, and what that means; empty for what is simply new. */
  readonly reasons: readonly string[]
  /** Services that a breaking or forbidden change breaks. */
  readonly services: readonly string[]
  /** Their consumers, as `model@version (team)`. */
  readonly consumers: readonly string[]
}

/** What applying definitions to a project would do. */
export interface ApplyPlan {
  readonly project: string
  /** The revision that was planned against; 0 before the first. */
  readonly base: number
  /** Sorted by kind, name and version; empty when nothing changes. */
  readonly changes: readonly PlannedChange[]
  /** The worst of the changes. */
  readonly severity: Severity
  /** What holds afterwards and should not for long. */
  readonly warnings: readonly PlanWarning[]
}

/** From harmless to impossible. */
export const SEVERITIES: readonly Severity[] = ['safe', 'needs_data', 'breaking', 'forbidden']

/**
 * Plans to make `definitions` all that a project has: what is not among them is removed.
 *
 * @param empty group versions, by `name@version`, of which nothing was computed or stored yet
 * @throws {AsofError} of kind `invalid` when they do not fit together; `code_missing` for an on-demand group whose
 * code was not found yet; `unknown_zone`
 * @example
 * ```ts
 * const { definitions } = project('flights', [hourlyModel, daily])
 * const plan = planApply(await loadSnapshot(registry, 'flights'), definitions)
 * plan.changes.map((change) => change.id) // ['group/airport_daily@1']
 * plan.severity // 'safe'
 * ```
 */
export function planApply(
  snapshot: Snapshot,
  definitions: readonly Definition[],
  empty: ReadonlySet<string> = new Set(),
): ApplyPlan {
  return planChecked(snapshot, checkDefinitions(definitions), empty)
}

/** {@link planApply} of what `checkDefinitions` has answered. */
export function planChecked(
  snapshot: Snapshot,
  wanted: readonly Definition[],
  empty: ReadonlySet<string> = new Set(),
): ApplyPlan {
  for (const definition of wanted) {
    if (definition.kind === 'on_demand' && definition.code.fingerprint === '') {
      throw invalid('code_missing', 'fill in the code of the on-demand group first', {
        group: groupId(definition),
      })
    }
  }
  const changes = changesBetween(snapshot, wanted, empty)
  const changed = new Set(changes.map(({ id }) => id))
  for (const definition of wanted) {
    if (definition.kind === 'source' && changed.has(definitionId(definition))) checkZones(definition)
  }
  return Object.freeze({
    project: snapshot.project,
    base: snapshot.revision?.number ?? 0,
    changes,
    severity: worst(changes.map((change) => change.severity)),
    warnings: deprecationWarnings(snapshot, wanted),
  })
}

/** What differs between two snapshots of one project, as a plan that leads from one to the other. */
export function diffSnapshots(before: Snapshot, after: Snapshot): readonly PlannedChange[] {
  return changesBetween(before, definitionsOf(after), new Set())
}

function changesBetween(
  snapshot: Snapshot,
  wanted: readonly Definition[],
  empty: ReadonlySet<string>,
): readonly PlannedChange[] {
  const present = definitionsOf(snapshot)
  const before = definitionsById(present)
  const after = definitionsById(wanted)
  /** A service with the models that registered themselves: a change breaks them no less than those declared. */
  const told = (definition: Definition): Definition =>
    definition.kind === 'service' && snapshot.registered?.has(definition.name) === true
      ? { ...definition, consumers: consumersOf(snapshot, definition) }
      : definition
  let readers: CompareContext['readers'] | undefined
  const context: CompareContext = {
    snapshot,
    empty,
    before: indexDefinitions(present),
    after: indexDefinitions(wanted),
    readers: (id) => (readers ??= serviceReaders(indexDefinitions(present.map(told))))(id),
  }
  const changes: PlannedChange[] = []
  for (const definition of wanted) {
    const id = definitionId(definition)
    const known = before.get(id)
    if (known === undefined) {
      changes.push(plannedChange(id, 'add', addFindings(snapshot, context.after, definition)))
    } else if (!sameJson(known, definition)) {
      const findings = compareDefinitions(told(known), told(definition), context)
      changes.push(plannedChange(id, 'change', findings))
    }
  }
  for (const definition of present) {
    const id = definitionId(definition)
    if (!after.has(id)) {
      changes.push(plannedChange(id, 'remove', removeFindings(told(definition), context.readers(id))))
    }
  }
  return Object.freeze(changes)
}

function addFindings(snapshot: Snapshot, after: DefinitionIndex, definition: Definition): readonly Finding[] {
  if (definition.kind !== 'group') return []
  const retired = snapshot.retired?.get(groupId(definition))
  const findings = retired === undefined ? [] : compareWithRetired(retired, definition, after)
  const others = [...snapshot.groups.values()].some((group) => group.definition.name === definition.name)
  return others
    ? [
        ...findings,
        { severity: 'needs_data', reason: 'a new version: it has no rows until it is materialized' },
      ]
    : findings
}

function removeFindings(definition: Definition, readers: readonly ServiceDefinition[]): readonly Finding[] {
  if (definition.kind === 'service') {
    if (definition.consumers.length === 0) return []
    return [{ severity: 'breaking', reason: 'models read this service', breaks: [definition] }]
  }
  if (definition.kind !== 'group' && definition.kind !== 'on_demand') return []
  // Also where they read another version from this revision on: who serves the last one still reads it.
  const reason = 'services read it: keep it declared until a revision in which none does'
  return readers.length === 0 ? [] : [{ severity: 'breaking', reason, breaks: readers }]
}

function plannedChange(
  id: string,
  change: PlannedChange['change'],
  findings: readonly Finding[],
): PlannedChange {
  const hard = findings.filter(
    (finding) => finding.severity === 'breaking' || finding.severity === 'forbidden',
  )
  const broken = [...new Set(hard.flatMap((finding) => finding.breaks ?? []))]
  const consumers = broken.flatMap((service) =>
    service.consumers.map(({ model, version, team }) => `${model}@${version} (${team})`),
  )
  return Object.freeze({
    id,
    change,
    severity: worst(findings.map((finding) => finding.severity)),
    reasons: Object.freeze(findings.map((finding) => finding.reason)),
    services: Object.freeze(broken.map((service) => service.name)),
    consumers: Object.freeze([...new Set(consumers)]),
  })
}

function worst(severities: readonly Severity[]): Severity {
  return SEVERITIES[Math.max(0, ...severities.map((severity) => SEVERITIES.indexOf(severity)))] ?? 'safe'
}
