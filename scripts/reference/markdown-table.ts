/** A Markdown table; a column whose title begins with `>` is aligned to the right. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(titles.map((title) => title.replace(/^>/, ''))),
    `|${titles.map((title) => (title.startsWith('>') ? '---:' : '---')).join('|')}|`,
    ...rows.map(line),
  ]
}

/** A text in a cell, as it is. */
export function plainCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ')
}

/** Code in a cell. */
export function codeCell(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('|', '\\|').replaceAll('\n', ' ')}\``
}
