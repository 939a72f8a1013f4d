import { relative, resolve } from 'node:path'
import {
  EXIT_CODES,
  type TimeColumn,
  type TrainingManifest,
  type TrainingSet,
  type Verification,
} from '@asof/core'
import { wholeArgument } from '../command-values.ts'
import { countOf, formatCount, formatLength } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { noteUnapplied } from '../note-unapplied.ts'
import { plainText, shortened } from '../shown-value.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'

/** What `asof train` is told. */
interface TrainOptions extends ProjectOptions {
  readonly labels: string
  readonly at: string
  readonly to: string
  readonly overwrite?: boolean
  readonly zone?: string
  readonly unit?: NonNullable<TimeColumn['unit']>
  readonly format: 'parquet' | 'csv' | 'delta'
  readonly eventTime?: boolean
  readonly statuses?: boolean
  readonly wait?: boolean
  readonly strict?: boolean
}

/** `asof train SERVICE`: builds a training set. */
export async function train(terminal: Terminal, options: TrainOptions, service: string): Promise<void> {
  const found = await findProject(options)
  const { column, zone, unit } = { column: options.at, zone: options.zone, unit: options.unit }
  await using store = await openProject(found)
  await noteUnapplied(terminal, store)
  const set = await terminal.during(`training set of ${service}`, (progress) =>
    store.train(service, {
      labels: relative(found.projectFolder, resolve(options.labels)),
      at: { column, ...(zone !== undefined && { zone }), ...(unit !== undefined && { unit }) },
      to: resolve(options.to),
      overwrite: options.overwrite === true,
      format: options.format,
      knowledge: options.eventTime === true ? 'event-time' : 'as-known',
      statuses: options.statuses === true,
      strict: options.strict === true,
      wait: options.wait === true,
      signal: terminal.signal,
      progress,
    }),
  )
  terminal.answer({ folder: set.folder, manifest: set.manifest }, () =>
    shownSet(set, options, terminal.colours),
  )
}

/** `asof verify DIR`: checks a training set; answers exit code 7 where something differs. */
export async function verify(
  terminal: Terminal,
  options: ProjectOptions & { readonly sample?: string; readonly all?: boolean; readonly labels?: string },
  folder: string,
): Promise<number> {
  const { labels } = options
  const sample = options.sample === undefined ? undefined : wholeArgument(options.sample, '--sample', 0)
  const found = await findProject(options)
  await using store = await openProject(found)
  const verification = await terminal.during(`verifying ${folder}`, (progress) =>
    store.verify(resolve(folder), {
      ...(options.all === true && { sample: 'all' }),
      ...(sample !== undefined && { sample }),
      ...(labels !== undefined && { labels: relative(found.projectFolder, resolve(labels)) }),
      signal: terminal.signal,
      progress,
    }),
  )
  const { manifest, ...document } = verification
  terminal.answer({ folder: resolve(folder), service: manifest.service.name, ...document }, () =>
    shownVerification(verification, terminal.colours),
  )
  return verification.ok ? 0 : EXIT_CODES.corrupt
}

function shownVerification(found: Verification, colours: Colours): string {
  const { manifest, damaged, differences, differenceCount } = found
  const files = countOf(manifest.output.files.length, 'file')
  if (damaged.length > 0) {
    const lines = damaged.map((path) => `  ${plainText(path)}`)
    return [
      colours.red(`${formatCount(damaged.length)} of ${files} are missing or not what was written`),
      ...lines,
    ].join('\n')
  }
  const checked = `${files} checked by hash, ${countOf(found.rowsChecked, 'row')} (${countOf(found.valuesChecked, 'value')}) computed again`
  if (found.ok) return `${colours.green('ok')}: ${checked}: all the same`
  const table = textTable(
    [
      { title: 'ROW', cell: ({ row }) => formatCount(row), align: 'right' },
      { title: 'COLUMN', cell: ({ column }) => column },
      { title: 'FOUND', cell: (difference) => shortened(plainText(difference.found), 40) },
      { title: 'EXPECTED', cell: ({ expected }) => shortened(plainText(expected), 40) },
    ],
    differences,
    colours,
  )
  return `${colours.red(`${countOf(differenceCount, 'value')} differ`)}: ${checked}\n\n${table}`
}

function shownSet({ manifest }: TrainingSet, options: TrainOptions, colours: Colours): string {
  const { labels, service, horizon, knowledge } = manifest
  const { to, format } = options
  const labelsToo = format === 'csv' ? ` --labels ${options.labels}` : ''
  const range = labels.first === undefined ? '' : `, ${labels.first} to ${labels.last}`
  return [
    `${service.name}: ${countOf(labels.rows, 'label')}${range}; known up to ${horizon}`,
    ...(knowledge === 'event-time'
      ? [colours.yellow('joined on event time alone: not what serving would have answered')]
      : []),
    '',
    featureTable(manifest, colours),
    '',
    groupTable(manifest, colours),
    '',
    `written to ${to}; check it with \`asof verify ${to}${labelsToo}\``,
  ].join('\n')
}

function featureTable({ features }: TrainingManifest, colours: Colours): string {
  const figure = (title: string, of: (feature: TrainingManifest['features'][number]) => number) =>
    ({
      title,
      cell: (feature: TrainingManifest['features'][number]) => formatCount(of(feature)),
      align: 'right',
    }) as const
  return textTable(
    [
      { title: 'FEATURE', cell: ({ name }) => name },
      { title: 'TYPE', cell: ({ type }) => type },
      figure('PRESENT', ({ statuses }) => statuses.present),
      figure('NULL', ({ statuses }) => statuses.null),
      figure('NOT FOUND', ({ statuses }) => statuses.not_found),
      figure('EXPIRED', ({ statuses }) => statuses.expired),
      figure('ERROR', ({ statuses }) => statuses.error),
      figure('DEFAULTED', ({ defaulted }) => defaulted),
    ],
    features,
    colours,
  )
}

function groupTable({ groups }: TrainingManifest, colours: Colours): string {
  return textTable(
    [
      { title: 'GROUP', cell: ({ group }) => group },
      { title: 'BY', cell: ({ keys }) => Object.values(keys).join(', ') },
      { title: 'VERSION', cell: ({ tableVersion }) => String(tableVersion ?? ''), align: 'right' },
      {
        title: 'FILES READ',
        cell: (group) => `${formatCount(group.filesRead)} of ${formatCount(group.filesTotal)}`,
        align: 'right',
      },
      { title: 'ROWS USED', cell: ({ rowsUsed }) => formatCount(rowsUsed), align: 'right' },
      { title: 'NULL KEYS', cell: ({ nullKeys }) => formatCount(nullKeys), align: 'right' },
      { title: 'NEWEST ROW USED', cell: ({ largestEventLead }) => before(largestEventLead) },
      { title: 'KNOWN', cell: ({ largestCreatedLead }) => before(largestCreatedLead) },
    ],
    groups,
    colours,
  )
}

/** The largest `e - T` or `c - T`, never above 0 where nothing leaked. */
function before(lead: number | undefined): string {
  if (lead === undefined) return ''
  if (lead === 0) return 'at the label'
  return `${formatLength(Math.abs(lead))} ${lead < 0 ? 'before' : 'AFTER'} the label`
}
