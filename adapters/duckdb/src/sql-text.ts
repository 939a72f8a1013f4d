/**
 * An identifier in SQL, whatever is in it: quoted, with its quotes doubled.
 *
 * @example
 * ```ts
 * identifier('a"; DROP TABLE b; --') // '"a""; DROP TABLE b; --"'
 * ```
 */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text in SQL, whatever is in it: quoted, with its quotes doubled; NUL, which ends DuckDB's text, by `chr(0)`. */
export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\0') ? `(${quoted.replaceAll('\0', "' || chr(0) || '")})` : quoted
}

/** Several texts as a SQL list. */
export function literals(texts: readonly string[]): string {
  return `[${texts.map(literal).join(', ')}]`
}

/**
 * Local files as a SQL list for a function that reads files. Such functions take each path for a pattern, so what means
 * something in one is put into brackets, where it means itself: `a[1].csv` is not `a1.csv`.
 */
export function filePaths(paths: readonly string[]): string {
  return literals(paths.map((path) => path.replaceAll(/[*?[]/g, '[$&]')))
}

/** Several identifiers, separated by commas. */
export function identifiers(names: readonly string[]): string {
  return names.map(identifier).join(', ')
}
