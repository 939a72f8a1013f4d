import {
  mainMetric,
  medianOf,
  ratioToOurs,
  reachesTarget,
  type Comparison,
  type Metric,
  type SideSamples,
} from './comparison.ts'
import type { Machine } from './machine.ts'

/** A run as JSON: nothing is left out that the tables are made from. */
export interface RunDocument {
  readonly machine: Machine
  readonly small: boolean
  readonly started: string
  readonly comparisons: readonly (Comparison & { readonly rows: readonly Row[] })[]
}

/** One line of a table: medians over the turns. */
export interface Row {
  readonly side: string
  readonly medians: Readonly<Record<string, number>>
  /** Main metric of this side over ours; for rates the other way round. */
  readonly ratio: number
}

/** The lines of a comparison's table. */
export function rowsOf(comparison: Comparison): Row[] {
  return comparison.sides.map((side) => ({
    side: side.name,
    medians: Object.fromEntries(comparison.metrics.map(({ name }) => [name, medianOf(side, name)])),
    ratio: ratioToOurs(comparison, side),
  }))
}

/** A comparison for people. */
export function comparisonText(comparison: Comparison): string {
  const { title, settings, sides, metrics, target, notes } = comparison
  const main = mainMetric(comparison)
  const cells = [
    ['', ...metrics.map(({ name }) => name), `range of ${main.name}`, 'ratio'],
    ...rowsOf(comparison).map((row, index) => [
      row.side,
      ...metrics.map((metric) => figure(metric, row.medians[metric.name]!)),
      rangeText(main, sides[index]!),
      index === 0 ? '' : ratioText(row.ratio),
    ]),
  ]
  const about = Object.entries(settings).map(([name, value]) => `${name} ${value}`)
  const reached = reachesTarget(comparison)
  return [
    title,
    `  ${about.join(', ')}; medians of ${sides[0]!.samples.length} turns each, taken in turn`,
    ...tableLines(cells).map((line) => `  ${line}`),
    ...(target === undefined
      ? []
      : [
          `  target: at least ${target.atLeast}x ${target.rival}: ${reached === true ? 'reached' : 'MISSED'}`,
        ]),
    ...notes.map((note) => `  ${note}`),
  ].join('\n')
}

/** `3.41x`, `28.9x`, `0.041x`. */
function ratioText(ratio: number): string {
  return `${ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(ratio < 1 ? 2 : 3)}x`
}

function rangeText(metric: Metric, { samples }: SideSamples): string {
  const values = samples.flatMap((sample) => sample[metric.name] ?? [])
  return `${figure(metric, Math.min(...values))} to ${figure(metric, Math.max(...values))}`
}

function figure({ unit }: Metric, value: number): string {
  if (Number.isNaN(value)) return '-'
  switch (unit) {
    case 's':
      return `${value.toFixed(value < 10 ? 2 : 1)} s`
    case 'us':
      return `${value.toFixed(value < 10 ? 2 : 1)} µs`
    case 'bytes':
      return value < 2 ** 30 ? `${(value / 2 ** 20).toFixed(0)} MiB` : `${(value / 2 ** 30).toFixed(1)} GiB`
    case 'per_second':
      return `${Math.round(value).toLocaleString('en-US')}/s`
    default:
      return unit satisfies never
  }
}

/** Columns under each other: the first to the left, figures to the right. */
function tableLines(cells: readonly (readonly string[])[]): string[] {
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)))
  return cells.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
}
