import type { OnDemandInputShape } from '../apply/service-shape.ts'
import type { Instant } from '../clock/instant.ts'
import { conflict, corrupt, invalid, notFound } from '../errors/asof-error.ts'
import type { Column } from '../model/column.ts'
import { columnValue } from '../model/column.ts'
import type { FeatureType } from '../model/feature-type.ts'
import { STATUSES } from '../model/status.ts'
import type { FeatureRow } from '../model/feature-row.ts'
import type { KeyValues, ScalarValue, Value } from '../model/value.ts'
import { presentValue, valueFromJson, valueToJson } from '../model/value-json.ts'
import { evaluateOnDemand } from '../point-in-time/on-demand.ts'
import type { NaiveRule, NaiveValue } from '../point-in-time/visible.ts'
import type { LabelSession, LongCall, Relation } from '../ports/compute-engine.ts'
import type { ParquetFiles } from '../ports/parquet-files.ts'
import { fromCsv } from './csv-form.ts'
import { readCsv } from './csv-text.ts'
import type { TrainingManifest } from './manifest.ts'
import { MANIFEST_FILE, readManifest } from './manifest.ts'
import { readPinnedRows } from './pinned-rows.ts'
import type { TrainingService, TrainParts } from './train.ts'
import { pinTables } from './train.ts'
import type { PlannedSlot, TrainingPlan } from './training-plan.ts'
import { trainingPlan } from './training-plan.ts'
import { TRAINING_TABLE } from './training-table.ts'

/** What to verify. */
export interface VerifyRequest extends LongCall {
  readonly folder: string
  readonly service: TrainingService
  /** How many rows are computed again, spread over the set; 1,000 by default. */
  readonly sample?: number | 'all'
  /** The labels that the set was built from. A CSV set needs them: as text they are not what they were. */
  readonly labels?: Relation
}

/** The parts that verifying needs. */
export interface VerifyParts extends Pick<TrainParts, 'engine' | 'offline' | 'files' | 'tablesIn'> {
  readonly parquet: ParquetFiles
  /** An implementation of SEMANTICS section 2 that shares nothing with the one that built the set. */
  readonly naive: NaiveValue
}

/** What was found. */
export interface Verification {
  /** Whether every file has its hash and every row checked has its values. */
  readonly ok: boolean
  readonly manifest: TrainingManifest
  /** Files that are missing or not what was written. With any of these, no row was checked. */
  readonly damaged: readonly string[]
  readonly rowsChecked: number
  readonly valuesChecked: number
  /** The first 100 differences. */
  readonly differences: readonly Difference[]
  readonly differenceCount: number
}

/** One value that is not what the naive implementation says; values in their JSON form, as text. */
export interface Difference {
  /** Row of the set, counted from 0. */
  readonly row: number
  readonly column: string
  readonly found: string
  readonly expected: string
}

const SAMPLE_ROWS = 1_000
const DIFFERENCES_MAX = 100
/** Rows whose history is held in memory at a time. */
const ROWS_AT_ONCE = 20_000

/**
 * Verifies a training set: the hash of every file, then rows of the set against the pinned table versions, read by another
 * path and computed by another implementation than built it.
 *
 * @throws {AsofError} `set_not_found`; `service_changed` when the definitions are no longer those of the set;
 * `table_version_vacuumed` by name; `labels_changed`
 */
export async function verifyTrainingSet(parts: VerifyParts, request: VerifyRequest): Promise<Verification> {
  const { folder, service } = request
  const path = `${folder}/${MANIFEST_FILE}`
  const text = await parts.files.readText(path)
  if (text === undefined) throw notFound('set_not_found', 'no training set here', { path })
  const manifest = readManifest(text, path)
  const damaged: string[] = []
  for (const file of manifest.output.files) {
    const found = await parts.files.describe(`${folder}/${file.path}`)
    if (found?.sha256 !== file.sha256) damaged.push(file.path)
    request.signal?.throwIfAborted()
  }
  if (manifest.service.fingerprint !== service.fingerprint) {
    throw conflict(
      'service_changed',
      'the service is not the one that the set was built for: verify at its revision',
      {
        service: manifest.service.name,
        revision: manifest.revision,
        set: manifest.service.fingerprint,
        now: service.fingerprint,
      },
    )
  }
  const found = { rowsChecked: 0, valuesChecked: 0, differences: [] as Difference[], differenceCount: 0 }
  if (damaged.length === 0) await checkRows(parts, request, manifest, found)
  return { ok: damaged.length === 0 && found.differenceCount === 0, manifest, damaged, ...found }
}

type Found = { -readonly [Name in 'rowsChecked' | 'valuesChecked' | 'differenceCount']: number } & {
  readonly differences: Difference[]
}

async function checkRows(
  parts: VerifyParts,
  request: VerifyRequest,
  manifest: TrainingManifest,
  found: Found,
): Promise<void> {
  const { service } = request
  const set = await openSet(parts, request, manifest)
  await using session = await parts.engine.labels({
    labels: set.labels,
    at: manifest.labels.at,
    form: manifest.labels.form,
    ...(request.signal && { signal: request.signal }),
  })
  if (session.rows !== manifest.labels.rows) {
    throw conflict('labels_changed', 'the labels are not those of the set', {
      rows: session.rows,
      set: manifest.labels.rows,
    })
  }
  if (request.labels !== undefined && (await session.fingerprint()) !== manifest.labels.fingerprint) {
    throw conflict('labels_changed', 'the labels are not those of the set', {
      set: manifest.labels.fingerprint,
    })
  }
  const versions = Object.fromEntries(
    manifest.groups.flatMap(({ group, tableVersion }) =>
      tableVersion === undefined ? [] : [[group, tableVersion]],
    ),
  )
  const present = new Set(
    manifest.groups.flatMap(({ group, tableVersion }) => (tableVersion === undefined ? [] : [group])),
  )
  const tables = await pinTables(parts.offline, service, versions)
  const { output } = manifest
  const plan = trainingPlan({
    project: service.project,
    shape: service.shape,
    at: manifest.labels.at,
    knowledge: manifest.knowledge,
    statuses: output.statuses,
    eventTimes: output.eventTimes,
    labels: session.rows,
    labelColumns: manifest.labels.columns.map(({ name }) => name),
    // Every file of the table is read: pruning is a part of what is being checked.
    range: undefined,
    tables: new Map([...tables].map(([group, table]) => [group, present.has(group) ? table : undefined])),
  })
  for (const table of tables.values()) {
    for (const file of table?.files ?? []) {
      if (await parts.files.exists(file.localPath)) continue
      throw notFound('table_version_vacuumed', 'files of this table version are gone', {
        table: table!.table,
        version: table!.version,
      })
    }
  }
  const keys = new Map<string, Column>()
  for (const { name, type } of service.shape.keys) keys.set(name, await session.column(name, type))
  const inputs: Column[] = []
  for (const { name, type } of plan.request) inputs.push(await session.column(name, type))
  const rows = sampledRows(session.rows, request.sample ?? SAMPLE_ROWS)
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    request.signal?.throwIfAborted()
    const some = rows.subarray(from, from + ROWS_AT_ONCE)
    const stored = await set.read(plan, some)
    const expected = await computeRows(parts, service, plan, tables, session, keys, inputs, some)
    for (let index = 0; index < some.length; index++)
      compareRow(plan, some[index]!, stored[index]!, expected[index]!, found)
    found.rowsChecked += some.length
    request.progress?.({ done: from + some.length, total: rows.length, unit: 'rows' })
  }
}

/** Rows spread evenly over the set, the first and the last among them. */
function sampledRows(rows: number, sample: number | 'all'): Int32Array {
  const count = sample === 'all' ? rows : Math.min(rows, sample)
  if (count < 2) return Int32Array.from({ length: count }, () => 0)
  return Int32Array.from({ length: count }, (_, index) => Math.round((index * (rows - 1)) / (count - 1)))
}

/** A set's own labels, and the values of its result columns. */
interface OpenSet {
  readonly labels: Relation
  /** Values of the planned columns of some rows, rising; undefined where the column is not there. */
  read(plan: TrainingPlan, rows: Int32Array): Promise<(Value | null)[][]>
}

async function openSet(
  parts: VerifyParts,
  request: VerifyRequest,
  manifest: TrainingManifest,
): Promise<OpenSet> {
  const { folder } = request
  const paths = manifest.output.files.map((file) => `${folder}/${file.path}`)
  switch (manifest.output.format) {
    case 'parquet':
      return {
        labels: neededLabels({ kind: 'files', format: 'parquet', paths }, request, manifest),
        read: async (plan, rows) => await readParquetRows(parts.parquet, paths, plan, rows),
      }
    case 'delta': {
      const table = await parts.tablesIn(folder).snapshot(TRAINING_TABLE)
      if (table === undefined) throw corrupt('damaged_table', 'the set has no table', { folder })
      return {
        labels: neededLabels(
          { kind: 'table', files: table.files, columns: table.schema.columns },
          request,
          manifest,
        ),
        read: async (plan, rows) =>
          await readParquetRows(
            parts.parquet,
            table.files.map((file) => file.localPath),
            plan,
            rows,
          ),
      }
    }
    case 'csv': {
      if (request.labels === undefined) {
        throw invalid(
          'labels_needed',
          'give the labels that the set was built from: CSV does not keep their types',
          { folder },
        )
      }
      return {
        labels: request.labels,
        read: async (plan, rows) => await readCsvRows(parts, paths, plan, rows),
      }
    }
    default:
      return manifest.output.format satisfies never
  }
}

/** The labels as the set keeps them: the columns that are needed to compute its values again. */
function neededLabels(
  set: Relation,
  { service, labels }: VerifyRequest,
  manifest: TrainingManifest,
): Relation {
  if (labels !== undefined) return labels
  const { keys, request } = service.shape
  const names = new Set([
    manifest.labels.at.column,
    ...keys.map(({ name }) => name),
    ...request.map(({ name }) => name),
  ])
  const columns = [...names].map((name) => `"${name.replaceAll('"', '""')}"`)
  return {
    kind: 'query',
    sql: `SELECT ${columns.join(', ')} FROM training_set`,
    inputs: { training_set: set },
  }
}

async function readParquetRows(
  parquet: ParquetFiles,
  paths: readonly string[],
  plan: TrainingPlan,
  rows: Int32Array,
): Promise<(Value | null)[][]> {
  const columns = plan.columns.map(({ name, type }) => ({ name, type, nullable: true }))
  const files = paths.map((localPath) => ({ localPath, constants: {} }))
  const read: (Value | null)[][] = []
  let first = 0
  for await (const batch of parquet.read(files, columns)) {
    while (read.length < rows.length && rows[read.length]! < first + batch.rows) {
      const row = rows[read.length]! - first
      read.push(columns.map(({ name }) => columnValue(batch.columns[name]!, row)))
    }
    first += batch.rows
  }
  if (read.length < rows.length)
    throw corrupt('damaged_set', 'the set has fewer rows than its manifest says', { rows: first })
  return read
}

async function readCsvRows(
  { files }: VerifyParts,
  paths: readonly string[],
  plan: TrainingPlan,
  rows: Int32Array,
): Promise<(Value | null)[][]> {
  const read: (Value | null)[][] = []
  let first = 0
  for (const path of paths) {
    const [header, ...lines] = readCsv((await files.readText(path)) ?? '')
    const places = plan.columns.map(({ name }) => header!.lastIndexOf(name))
    while (read.length < rows.length && rows[read.length]! < first + lines.length) {
      const line = lines[rows[read.length]! - first]!
      read.push(plan.columns.map(({ name, type }, index) => fromCsv(type, line[places[index]!], name)))
    }
    first += lines.length
  }
  if (read.length < rows.length)
    throw corrupt('damaged_set', 'the set has fewer rows than its manifest says', { rows: first })
  return read
}

/** What one feature is, computed the naive way. */
interface Expected {
  readonly value: Value | null
  readonly status: string
  readonly eventTime: Instant | null
}

async function computeRows(
  { parquet, naive }: VerifyParts,
  { shape, functions }: TrainingService,
  plan: TrainingPlan,
  tables: Awaited<ReturnType<typeof pinTables>>,
  session: LabelSession,
  keys: ReadonlyMap<string, Column>,
  inputs: readonly Column[],
  rows: Int32Array,
): Promise<Expected[][]> {
  const answers: { readonly status: string; readonly row?: FeatureRow }[][] = []
  for (const slot of plan.slots) {
    const asked = Array.from(rows, (row): KeyValues =>
      slot.keys.map(({ column }) => columnValue(keys.get(column)!, row) as ScalarValue | null),
    )
    const { group } = shape.slots[plan.slots.indexOf(slot)]!
    const history = await readPinnedRows(parquet, tables.get(slot.group)?.files ?? [], slot, group, asked)
    const rule = naiveRule(slot)
    answers.push(
      asked.map((key, index) =>
        naive(history.get(key) ?? [], key, session.at[rows[index]!]! as Instant, rule),
      ),
    )
  }
  return Array.from(rows, (row, index) => {
    const at = session.at[row]! as Instant
    const stored = (slot: number, feature: number): Expected => {
      const answer = answers[slot]![index]!
      const field = shape.slots[slot]!.group.definition.features[feature]!
      if (answer.row !== undefined) {
        const value = answer.row.values[feature] ?? null
        return { value, status: value === null ? 'null' : 'present', eventTime: answer.row.e }
      }
      const value = field.default === undefined ? null : valueFromJson(field.type, field.default, field.name)
      return { value, status: answer.status, eventTime: null }
    }
    const shown = (type: FeatureType, expected: Expected): Expected =>
      presentValue(type, expected.value) === undefined
        ? { value: null, status: 'error', eventTime: expected.eventTime }
        : expected
    return shape.outputs.map((output): Expected => {
      if (output.from === 'slot') return shown(output.type, stored(output.slot, output.feature))
      const call = shape.onDemand[output.call]!
      const argument = (input: OnDemandInputShape): Value | number | null | undefined => {
        if (input.from === 'request') return presentValue(input.type, columnValue(inputs[input.field]!, row))
        if (input.from === 'event-time') return answers[input.slot]![index]!.row?.e ?? null
        return presentValue(input.type, stored(input.slot, input.feature).value)
      }
      const given = call.inputs.map((input) => [input.name, argument(input)] as const)
      const failed = given.some(([, value]) => value === undefined)
      const named = failed ? undefined : (Object.fromEntries(given) as Record<string, Value | number | null>)
      const result = evaluateOnDemand(call.definition, functions.get(call.id)!, named, at)
      const status = STATUSES[result.statuses[output.feature]!]!
      return shown(output.type, { value: result.values[output.feature]!, status, eventTime: null })
    })
  })
}

function naiveRule({ rule }: PlannedSlot): NaiveRule {
  return { ttl: rule.ttl, boundary: rule.exclusive ? 'exclusive' : 'inclusive', knowledge: rule.knowledge }
}

function compareRow(
  plan: TrainingPlan,
  row: number,
  stored: readonly (Value | null)[],
  expected: readonly Expected[],
  found: Found,
): void {
  for (const [index, { name, type, output, shows }] of plan.columns.entries()) {
    found.valuesChecked++
    const { value, status, eventTime } = expected[output]!
    const right =
      shows === 'value' ? value : shows === 'status' ? status : eventTime === null ? null : BigInt(eventTime)
    const [is, should] = [show(type, stored[index]!), show(type, right)]
    if (is === should) continue
    found.differenceCount++
    if (found.differences.length < DIFFERENCES_MAX)
      found.differences.push({ row, column: name, found: is, expected: should })
  }
}

/** The JSON form tells apart whatever differs: -0 from 0, NaN from null. */
function show(type: FeatureType, value: Value | null): string {
  return JSON.stringify(valueToJson(type, value))
}

/** The result of a verification in lines for people. */
export function explainVerification({ ok, manifest, damaged, ...found }: Verification): string {
  const lines = [
    `training set of ${manifest.service.name}: ${manifest.labels.rows} labels, horizon ${manifest.horizon}`,
    `${manifest.output.files.length - damaged.length} of ${manifest.output.files.length} files have their hash`,
    ...damaged.map((path) => `  not what was written: ${path}`),
    `${found.valuesChecked} values of ${found.rowsChecked} rows computed again, ${found.differenceCount} differ`,
    ...found.differences.map(
      ({ row, column, ...is }) => `  row ${row}, ${column}: ${is.found}, expected ${is.expected}`,
    ),
    ok ? 'verified' : 'not verified',
  ]
  return lines.join('\n')
}
