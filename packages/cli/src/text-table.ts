import CliTable from 'cli-table3'
import type { Colours } from './terminal.ts'

/** One column of a table for people. */
export interface TextColumn<Row> {
  readonly title: string
  /** The cell, in one line; it may hold colours. */
  readonly cell: (row: Row) => string
  /** Figures stand to the right. */
  readonly align?: 'left' | 'right'
}

/**
 * A table in plain lines, without a border, so that `grep`, `sort` and eyes can follow it.
 *
 * @example
 * ```ts
 * import pc from 'picocolors'
 *
 * const rows = [{ group: 'airport_hourly', rows: 1_234 }]
 * const right = { title: 'rows', cell: (row: (typeof rows)[0]) => formatCount(row.rows), align: 'right' } as const
 * textTable([{ title: 'group', cell: ({ group }) => group }, right], rows, pc.createColors(false))
 * // 'group            rows\nairport_hourly  1,234'
 * ```
 */
export function textTable<Row>(
  columns: readonly TextColumn<Row>[],
  rows: readonly Row[],
  colours: Colours,
): string {
  const table = new CliTable({
    head: columns.map(({ title }) => colours.bold(title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: NO_BORDER,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  })
  for (const row of rows) table.push(columns.map(({ cell }) => cell(row)))
  const lines = table.toString().split('\n')
  return lines.map((line) => line.trimEnd()).join('\n')
}

const NO_BORDER = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}
