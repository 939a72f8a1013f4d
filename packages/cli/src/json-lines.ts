import { invalid, parseStrictJson } from '@asof/core'

/** How much of a file of JSON lines is taken at once. */
export const JSON_LINES_LIMITS = {
  /** One line. */
  lineBytesMax: 1_048_576,
  /** Rows of one batch. */
  batchRowsMax: 10_000,
  /** Bytes of one batch. */
  batchBytesMax: 16_777_216,
} as const

/** Consecutive rows of a file of JSON lines. */
export interface JsonLinesBatch {
  readonly rows: readonly Record<string, unknown>[]
  /** The line of each row, from 1; empty lines have no row. */
  readonly lines: readonly number[]
}

/**
 * Reads one JSON object a line, in batches whose bounds depend on the lines alone, so that a repeat of the same file makes
 * the same batches. Integers beyond 2^53 are bigint.
 *
 * @throws {AsofError} `invalid_json_line`, `line_too_long`, naming the line; the batches before it were yielded, the rows
 * of its own batch were not
 */
export async function* jsonLines(
  chunks: AsyncIterable<Uint8Array>,
  limits: { readonly [Name in keyof typeof JSON_LINES_LIMITS]: number } = JSON_LINES_LIMITS,
): AsyncGenerator<JsonLinesBatch> {
  let rows: Record<string, unknown>[] = []
  let lines: number[] = []
  let bytes = 0
  for await (const { line, body } of splitLines(chunks, limits.lineBytesMax)) {
    const text = decode(body, line)
    if (text.trim() === '') continue
    const full = rows.length === limits.batchRowsMax || bytes + body.length > limits.batchBytesMax
    if (full && rows.length > 0) {
      yield { rows, lines }
      rows = []
      lines = []
      bytes = 0
    }
    rows.push(readRow(text, line))
    lines.push(line)
    bytes += body.length
  }
  if (rows.length > 0) yield { rows, lines }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const NEWLINE = 0x0a

function decode(body: Uint8Array, line: number): string {
  try {
    return UTF8.decode(body)
  } catch {
    throw invalid('invalid_json_line', 'the line is not UTF-8', { line })
  }
}

function readRow(text: string, line: number): Record<string, unknown> {
  let json: unknown
  try {
    json = parseStrictJson(text)
  } catch (error) {
    throw invalid('invalid_json_line', `the line is refused: ${(error as Error).message}`, { line })
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw invalid('invalid_json_line', 'each line is one JSON object, {"key": value, …}', { line })
  }
  return json as Record<string, unknown>
}

async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<{ readonly line: number; readonly body: Uint8Array }> {
  let line = 1
  let parts: Uint8Array[] = []
  let held = 0
  for await (const chunk of chunks) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start)
      const part = chunk.subarray(start, end < 0 ? chunk.length : end)
      held += part.length
      if (held > lineBytesMax) throw invalid('line_too_long', 'a line is too long', { line, lineBytesMax })
      parts.push(part)
      if (end < 0) break
      yield { line, body: Buffer.concat(parts) }
      line++
      parts = []
      held = 0
      start = end + 1
    }
  }
  if (held > 0) yield { line, body: Buffer.concat(parts) }
}
