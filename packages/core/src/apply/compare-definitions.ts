import type {
  Definition,
  EntityDefinition,
  GroupDefinition,
  OnDemandDefinition,
  ServiceDefinition,
  SourceDefinition,
} from '../model/definition.ts'
import { definitionId } from '../model/definition.ts'
import type { DefinitionIndex } from '../model/definition-index.ts'
import { groupSources, sourceClosure } from '../model/definition-index.ts'
import type { FeatureType, Field } from '../model/feature-type.ts'
import { sameStoredType, typeName } from '../model/feature-type.ts'
import { canonicalJson } from '../model/fingerprint.ts'
import { sameJson } from './same-json.ts'
import type { AppliedGroup, Snapshot } from './snapshot.ts'

/**
 * What a change means:
 *
 * - `safe`: no value changes, nothing has to be computed;
 * - `needs_data`: nothing breaks, but values are absent until they are computed;
 * - `breaking`: values change or vanish under who reads them; done only when told to;
 * - `forbidden`: stored rows would not fit; never done, a new version is the way.
 */
export type Severity = 'safe' | 'needs_data' | 'breaking' | 'forbidden'

/** One thing that differs, and whom it breaks. */
export interface Finding {
  readonly severity: Severity
  readonly reason: string
  readonly breaks?: readonly ServiceDefinition[]
}

/** What a comparison looks at around the definition. */
export interface CompareContext {
  readonly snapshot: Snapshot
  readonly before: DefinitionIndex
  readonly after: DefinitionIndex
  /** Services of `before` that rest on a definition or feature. */
  readonly readers: (id: string) => readonly ServiceDefinition[]
  /** Group versions, by `name@version`, of which nothing was computed or stored yet. */
  readonly empty: ReadonlySet<string>
}

/** What differs between two definitions of one id. */
export function compareDefinitions(
  before: Definition,
  after: Definition,
  context: CompareContext,
): readonly Finding[] {
  return [
    ...compareSpecifics(before, after, context),
    ...differing(before, after, ['description', 'owner', 'tags']),
  ]
}

function compareSpecifics(
  before: Definition,
  after: Definition,
  context: CompareContext,
): readonly Finding[] {
  if (before.kind === 'entity' && after.kind === 'entity') return compareEntities(before, after, context)
  if (before.kind === 'source' && after.kind === 'source') return compareSources(before, after, context)
  if (before.kind === 'on_demand' && after.kind === 'on_demand')
    return compareOnDemand(before, after, context)
  if (before.kind === 'service' && after.kind === 'service') return compareServices(before, after)
  if (before.kind !== 'group' || after.kind !== 'group') return []
  const applied = context.snapshot.groups.get(`${before.name}@${before.version}`)
  return compareGroups(before, after, applied?.schemas ?? [before.features], context.readers)
}

/** What differs between a group version that was removed and its return: its rows are still there. */
export function compareWithRetired(
  retired: AppliedGroup,
  after: GroupDefinition,
  index: DefinitionIndex,
): readonly Finding[] {
  const entity = index.entities.get(after.entity)
  const findings = compareGroups(retired.definition, after, retired.schemas, () => [])
  if (entity === undefined || storedKeys(entity) === storedKeys(retired.entity)) return findings
  const reason = 'the version was removed, and its rows are stored under other keys: raise the version'
  return [...findings, { severity: 'forbidden', reason }]
}

function differing<T extends object>(before: T, after: T, names: readonly (keyof T & string)[]): Finding[] {
  return names
    .filter((name) => !sameJson(before[name], after[name]))
    .map((name) => ({ severity: 'safe', reason: `${name} changes` }))
}

function storedKeys(entity: EntityDefinition): string {
  return canonicalJson(entity.keys.map((key) => [key.name, typeName(key.type)]))
}

function compareEntities(
  before: EntityDefinition,
  after: EntityDefinition,
  { readers, before: was, after: will }: CompareContext,
): readonly Finding[] {
  if (sameJson(before.keys, after.keys)) return []
  const breaks = readers(definitionId(before))
  if (storedKeys(before) === storedKeys(after)) {
    return [{ severity: 'breaking', reason: 'the form of a join key in requests changes', breaks }]
  }
  const staying = [...was.groups].filter(([id, group]) => group.entity === before.name && will.groups.has(id))
  if (staying.length === 0) return [{ severity: 'breaking', reason: 'its join keys change', breaks }]
  const groups = staying.map(([id]) => id).join(', ')
  const reason = `rows of ${groups} are stored under the join keys as they are: declare another entity`
  return [{ severity: 'forbidden', reason, breaks }]
}

function compareSources(
  before: SourceDefinition,
  after: SourceDefinition,
  { readers, before: was, after: will, empty }: CompareContext,
): readonly Finding[] {
  const id = definitionId(before)
  if (before.reads.format === 'request' && after.reads.format === 'request') {
    return compareFields(before.reads.fields, after.reads.fields, id, readers)
  }
  const changed = (['reads', 'eventTime', 'created', 'future'] as const).filter(
    (name) => !sameJson(before[name], after[name]),
  )
  if (changed.length === 0) return []
  const reading = [...was.groups].filter(
    ([group, definition]) =>
      will.groups.has(group) && sourceClosure(was.sources, groupSources(definition)).has(before.name),
  )
  const what = `${changed.join(', ')} changes`
  if (reading.length === 0) return [{ severity: 'safe', reason: what }]
  const groups = reading.map(([group]) => group).join(', ')
  const models = readers(id).filter((service) => service.consumers.length > 0)
  if (models.length === 0 && reading.every(([group]) => empty.has(group))) {
    return [{ severity: 'safe', reason: `${what}; no row of ${groups} is stored yet` }]
  }
  const reason = `${what}, and with it values of ${groups}: raise their versions`
  return [{ severity: 'breaking', reason, breaks: readers(id) }]
}

/** Fields that are not stored: of requests and on-demand groups. */
function compareFields(
  before: readonly Field[],
  after: readonly Field[],
  id: string,
  readers: CompareContext['readers'],
): readonly Finding[] {
  const findings: Finding[] = []
  for (const field of before) {
    const now = after.find((candidate) => candidate.name === field.name)
    const breaks = readers(`${id}:${field.name}`)
    const severity = breaks.length === 0 ? 'safe' : 'breaking'
    if (now === undefined) findings.push({ severity, reason: `${field.name} is removed`, breaks })
    else if (!sameJson(now.type, field.type))
      findings.push({ severity, reason: retyped(field, now.type), breaks })
    else findings.push(...described(field, now))
  }
  for (const field of after) {
    if (!before.some((candidate) => candidate.name === field.name)) {
      findings.push({ severity: 'safe', reason: `${field.name} is new` })
    }
  }
  return findings.length === 0 && !sameJson(before, after)
    ? [{ severity: 'safe', reason: 'the order changes' }]
    : findings
}

function retyped(field: Field, to: FeatureType): string {
  return `${field.name} changes from ${typeName(field.type)} to ${typeName(to)}`
}

function described(before: Field, after: Field): Finding[] {
  return differing(before, after, ['description', 'tags']).map(({ severity, reason }) => ({
    severity,
    reason: `${before.name}: ${reason}`,
  }))
}

/** Properties that decide which values a group has. */
const DECIDING = ['key', 'compute', 'schedule', 'delay', 'ttl', 'boundary'] as const
/** Properties that stored rows rest on. */
const FIXED = ['entity', 'partition'] as const

function compareGroups(
  before: GroupDefinition,
  after: GroupDefinition,
  schemas: readonly (readonly Field[])[],
  readers: CompareContext['readers'],
): readonly Finding[] {
  const breaks = readers(definitionId(before))
  const findings: Finding[] = []
  for (const name of FIXED) {
    if (sameJson(before[name], after[name])) continue
    findings.push({
      severity: 'forbidden',
      reason: `${name} changes under stored rows: raise the version`,
      breaks,
    })
  }
  for (const name of DECIDING) {
    if (sameJson(before[name], after[name])) continue
    findings.push({
      severity: 'breaking',
      reason: `${name} changes, and with it values: raise the version`,
      breaks,
    })
  }
  if (before.online && !after.online) {
    const severity = breaks.length === 0 ? 'safe' : 'breaking'
    findings.push({ severity, reason: 'it leaves the online store', breaks })
  }
  if (!before.online && after.online) {
    // Nothing brings rows that the table has already into the online store.
    const reason = 'it comes into the online store, which lacks the rows that it has: raise the version'
    findings.push({ severity: 'forbidden', reason, breaks })
  }
  const models = breaks.filter((service) => service.consumers.length > 0)
  if (before.status !== 'staging' && after.status === 'staging' && models.length > 0) {
    findings.push({
      severity: 'breaking',
      reason: 'it goes back to staging, and models read it',
      breaks: models,
    })
  }
  findings.push(...compareFeatures(before, after, schemas, readers))
  return [...findings, ...differing(before, after, ['status', 'deprecation', 'freshness', 'unknownColumns'])]
}

function compareFeatures(
  before: GroupDefinition,
  after: GroupDefinition,
  schemas: readonly (readonly Field[])[],
  readers: CompareContext['readers'],
): readonly Finding[] {
  const stored = new Map([...schemas.flat(), ...before.features].map((field) => [field.name, field]))
  const was = new Map(before.features.map((field) => [field.name, field]))
  const findings: Finding[] = []
  for (const field of after.features) {
    const column = stored.get(field.name)
    const known = was.get(field.name)
    const breaks = readers(`${definitionId(before)}:${field.name}`)
    if (column !== undefined && !sameStoredType(column.type, field.type)) {
      const reason = `${retyped(column, field.type)}, but a stored column keeps its type: raise the version`
      findings.push({ severity: 'forbidden', reason, breaks })
    } else if (known === undefined) {
      const reason = `${field.name} is new: null in older rows, until they are computed again`
      findings.push({ severity: 'needs_data', reason })
    } else if (!sameJson(known.type, field.type)) {
      findings.push({ severity: 'breaking', reason: `${field.name} changes its form in vectors`, breaks })
    } else if (!sameJson(known.default, field.default)) {
      const reason = `the default of ${field.name} changes, and with it values: raise the version`
      findings.push({ severity: 'breaking', reason, breaks })
    } else {
      findings.push(...described(known, field))
    }
  }
  for (const field of before.features) {
    if (after.features.some((candidate) => candidate.name === field.name)) continue
    const breaks = readers(`${definitionId(before)}:${field.name}`)
    const severity = breaks.length === 0 ? 'safe' : 'breaking'
    findings.push({ severity, reason: `${field.name} is removed; its stored column stays`, breaks })
  }
  const order = (features: readonly Field[], others: readonly Field[]): string[] =>
    features.map((field) => field.name).filter((name) => others.some((other) => other.name === name))
  if (!sameJson(order(before.features, after.features), order(after.features, before.features))) {
    findings.push({ severity: 'safe', reason: 'the order of features changes' })
  }
  return findings
}

function compareOnDemand(
  before: OnDemandDefinition,
  after: OnDemandDefinition,
  { readers }: CompareContext,
): readonly Finding[] {
  const breaks = readers(definitionId(before))
  const severity = breaks.length === 0 ? 'safe' : 'breaking'
  const findings: Finding[] = []
  if (!sameJson(before.inputs, after.inputs)) {
    findings.push({ severity, reason: 'its inputs change, and with them values: raise the version', breaks })
  }
  if (before.code.fingerprint !== after.code.fingerprint) {
    findings.push({ severity, reason: 'its code changes, and with it values: raise the version', breaks })
  } else if (before.code.module !== after.code.module) {
    findings.push({ severity: 'safe', reason: 'its module moves' })
  }
  return [...findings, ...compareFields(before.features, after.features, definitionId(before), readers)]
}

function compareServices(before: ServiceDefinition, after: ServiceDefinition): readonly Finding[] {
  const findings: Finding[] = []
  if (!sameJson(before.features, after.features)) {
    // A consumer that the same change takes off the list no longer reads the service.
    const staying = before.consumers.filter((consumer) =>
      after.consumers.some((other) => sameJson(consumer, other)),
    )
    const severity = staying.length === 0 ? 'safe' : 'breaking'
    const reason = `its vector changes: ${vectorChange(before, after)}`
    findings.push({ severity, reason, breaks: [{ ...before, consumers: staying }] })
  }
  return [...findings, ...differing(before, after, ['consumers'])]
}

function vectorChange(before: ServiceDefinition, after: ServiceDefinition): string {
  const names = (service: ServiceDefinition): string[] => service.features.map((feature) => feature.name)
  const gone = names(before).filter((name) => !names(after).includes(name))
  const come = names(after).filter((name) => !names(before).includes(name))
  const other = after.features.filter((feature) =>
    before.features.some((known) => known.name === feature.name && !sameJson(known, feature)),
  )
  const parts = [
    ...gone.map((name) => `-${name}`),
    ...come.map((name) => `+${name}`),
    ...other.map(
      (feature) => `${feature.name} is now ${feature.group}@${feature.version}:${feature.feature}`,
    ),
  ]
  if (parts.length === 0) return 'the order'
  return parts.length > 10
    ? `${parts.slice(0, 10).join(', ')} and ${parts.length - 10} more`
    : parts.join(', ')
}
