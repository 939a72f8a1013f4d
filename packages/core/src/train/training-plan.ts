import type { ServiceShape } from '../apply/service-shape.ts'
import type { AppliedGroup } from '../apply/snapshot.ts'
import type { Instant } from '../clock/instant.ts'
import { formatInstant } from '../clock/instant.ts'
import { formatDuration } from '../clock/duration.ts'
import { invalid } from '../errors/asof-error.ts'
import { offlineTable, TABLE_COLUMNS, visibilityOf } from '../ingest/group-table.ts'
import type { TimeColumn } from '../model/definition.ts'
import { groupId } from '../model/definition.ts'
import type { FeatureType, Field, KeyType } from '../model/feature-type.ts'
import { typeName } from '../model/feature-type.ts'
import type { Knowledge, Visibility } from '../point-in-time/visible.ts'
import { expiredFrom } from '../point-in-time/visible.ts'
import type { DataFile, TableSnapshot } from '../ports/offline-store.ts'

/** What a training set reads, computes and writes; decided before any history is read, and printable. */
export interface TrainingPlan {
  readonly service: string
  readonly knowledge: Knowledge
  readonly at: TimeColumn
  readonly labels: number
  /** First and last label time; undefined when there are no labels. */
  readonly range: { readonly first: Instant; readonly last: Instant } | undefined
  readonly slots: readonly PlannedSlot[]
  readonly calls: ServiceShape['onDemand']
  /** Label columns that on-demand features read. */
  readonly request: readonly Field[]
  /** What is written beside the label columns, in order. */
  readonly columns: readonly PlannedColumn[]
}

/** One group version under one way of naming its keys. */
export interface PlannedSlot {
  /** `name@version`. */
  readonly group: string
  readonly table: string
  /** The pinned version of the table; undefined when there is no table yet. */
  readonly version: number | undefined
  /** Label column and table column of each join key. */
  readonly keys: readonly { readonly column: string; readonly key: string; readonly type: KeyType }[]
  readonly rule: Visibility
  /** Features read: their index in the group and their column. */
  readonly features: readonly { readonly index: number; readonly name: string; readonly type: FeatureType }[]
  /** The files that the labels can need, of so many. */
  readonly files: readonly DataFile[]
  readonly filesTotal: number
  /** Only rows with event time in `[eMin, eMax]` can make a difference. */
  readonly eMin: Instant | undefined
  readonly eMax: Instant
}

/** One column of the output, in this order: features, then what was asked for beside each. */
export interface PlannedColumn {
  readonly name: string
  readonly type: FeatureType
  /** Index of the feature in the service. */
  readonly output: number
  readonly shows: 'value' | 'status' | 'event-time'
}

/** What a plan is made from. */
export interface TrainingPlanInputs {
  readonly project: string
  readonly shape: ServiceShape
  readonly at: TimeColumn
  readonly knowledge: Knowledge
  readonly statuses: boolean
  readonly eventTimes: boolean
  readonly labels: number
  readonly labelColumns: readonly string[]
  readonly range: TrainingPlan['range']
  /** The pinned snapshot of each group version's table, by `name@version`; undefined when there is none. */
  readonly tables: ReadonlyMap<string, TableSnapshot | undefined>
}

/**
 * Plans a training set.
 *
 * @throws {AsofError} `label_column_missing` for a join key or an input that the labels lack; `label_column_taken` for a
 * label column that is named like a feature
 */
export function trainingPlan(inputs: TrainingPlanInputs): TrainingPlan {
  const { shape, knowledge, range } = inputs
  for (const { name } of [...shape.keys, ...shape.request]) {
    if (inputs.labelColumns.includes(name)) continue
    throw invalid('label_column_missing', 'the labels lack a column that the service needs', {
      column: name,
      service: shape.service.name,
    })
  }
  const columns = plannedColumns(inputs)
  const taken = new Map(inputs.labelColumns.map((column) => [column.toLowerCase(), column]))
  for (const { name } of columns) {
    const column = taken.get(name.toLowerCase())
    if (column === undefined) continue
    throw invalid('label_column_taken', 'a label column is named like a column of the output: rename it', {
      column,
      name,
    })
  }
  return Object.freeze({
    service: shape.service.name,
    knowledge,
    at: inputs.at,
    labels: inputs.labels,
    range,
    slots: Object.freeze(shape.slots.map((_, slot) => Object.freeze(plannedSlot(inputs, slot)))),
    calls: shape.onDemand,
    request: shape.request,
    columns: Object.freeze(columns),
  })
}

function plannedSlot(inputs: TrainingPlanInputs, index: number): PlannedSlot {
  const { shape, range } = inputs
  const { group, keyNames } = shape.slots[index]!
  const id = groupId(group.definition)
  const table = inputs.tables.get(id)
  const rule = visibilityOf(group, inputs.knowledge)
  const eMax = (range?.last ?? 0) as Instant
  const eMin =
    rule.ttl === undefined || range === undefined
      ? undefined
      : (expiredFrom(range.first, rule.ttl) as Instant)
  const files = range === undefined ? [] : (table?.files ?? [])
  return {
    group: id,
    table: offlineTable(inputs.project, group.definition),
    version: table?.version,
    keys: group.entity.keys.map(({ name, type }, part) => ({ column: keyNames[part]!, key: name, type })),
    rule,
    features: featuresRead(shape, index, group),
    files: files.filter((file) => canMatter(file, rule.knowledge, eMin, eMax)),
    filesTotal: table?.files.length ?? 0,
    eMin,
    eMax,
  }
}

/** Whether rows of a file can make a difference for labels of the plan's range. Statistics that lack prune nothing. */
function canMatter(file: DataFile, knowledge: Knowledge, eMin: number | undefined, last: number): boolean {
  const newest = file.max[TABLE_COLUMNS.eventTime]
  const oldest = file.min[TABLE_COLUMNS.eventTime]
  const firstKnown = file.min[TABLE_COLUMNS.created]
  if (eMin !== undefined && newest !== undefined && Number(newest) < eMin) return false
  if (oldest !== undefined && Number(oldest) > last) return false
  return knowledge === 'event-time' || firstKnown === undefined || Number(firstKnown) <= last
}

function featuresRead(shape: ServiceShape, slot: number, group: AppliedGroup): PlannedSlot['features'] {
  const read = new Set<number>()
  for (const output of shape.outputs)
    if (output.from === 'slot' && output.slot === slot) read.add(output.feature)
  for (const input of shape.onDemand.flatMap((call) => call.inputs)) {
    if (input.from === 'feature' && input.slot === slot) read.add(input.feature)
  }
  return [...read]
    .sort((a, b) => a - b)
    .map((index) => {
      const { name, type } = group.definition.features[index]!
      return { index, name, type }
    })
}

function plannedColumns({ shape, statuses, eventTimes }: TrainingPlanInputs): PlannedColumn[] {
  return shape.outputs.flatMap(({ name, type, from }, output): PlannedColumn[] => [
    { name, type, output, shows: 'value' },
    ...(statuses
      ? [{ name: `${name}__status`, type: { kind: 'string' }, output, shows: 'status' } as const]
      : []),
    ...(eventTimes && from === 'slot'
      ? [{ name: `${name}__event_time`, type: { kind: 'timestamp' }, output, shows: 'event-time' } as const]
      : []),
  ])
}

/** A plan in lines for people. */
export function explainTraining(plan: TrainingPlan): string {
  const { range } = plan
  const span =
    range === undefined ? 'no labels' : `${formatInstant(range.first)} to ${formatInstant(range.last)}`
  const lines = [
    `training set of ${plan.service}: ${plan.labels} labels by \`${plan.at.column}\`, ${span}`,
    plan.knowledge === 'as-known'
      ? 'rows count from their event time and their created time on'
      : 'rows count from their event time on, whenever they became known: not what serving would have answered',
  ]
  for (const slot of plan.slots) {
    const keys = slot.keys.map(({ key, column }) => (key === column ? key : `${key} = ${column}`)).join(', ')
    const version = slot.version === undefined ? 'no table yet' : `version ${slot.version}`
    lines.push(
      `  ${slot.group} by (${keys}): ${slot.table}, ${version}, ${slot.files.length} of ${slot.filesTotal} files`,
      `    rows with event time ${slot.rule.exclusive ? 'before' : 'up to'} the label's${
        slot.rule.ttl === undefined ? '' : `, at most ${formatDuration(slot.rule.ttl)} old`
      }`,
      `    ${slot.features.map(({ name, type }) => `${name} ${typeName(type)}`).join(', ')}`,
    )
  }
  for (const call of plan.calls) {
    lines.push(`  ${call.id}: computed from ${call.inputs.map((input) => input.name).join(', ')}`)
  }
  return lines.join('\n')
}
