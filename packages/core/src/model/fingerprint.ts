import { createHash } from 'node:crypto'
import { invalid } from '../errors/asof-error.ts'
import type { Definition } from './definition.ts'

/**
 * JSON with one text per value: names sorted by UTF-16 code unit, no white space, properties that are undefined left
 * out. Equal values have equal texts, so a hash of the text is a name for the value.
 *
 * @throws {AsofError} `not_json` for what JSON cannot say exactly: NaN, an infinity, a bigint, a function
 * @example
 * ```ts
 * canonicalJson({ b: 1, a: [true, null] }) // '{"a":[true,null],"b":1}'
 * ```
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object') {
    const parts = Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, part]) => `${JSON.stringify(name)}:${canonicalJson(part)}`)
    return `{${parts.join(',')}}`
  }
  throw invalid('not_json', 'JSON cannot say this value exactly', { type: typeof value })
}

/** The SHA-256 of a text (as UTF-8) or of bytes, in 64 hexadecimal digits. */
export function sha256Hex(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/**
 * The hash of a whole definition, descriptions included: two definitions are equal exactly when their fingerprints
 * are. What decides a vector alone is in `serviceFingerprint`.
 */
export function fingerprint(definition: Definition): string {
  return sha256Hex(canonicalJson(definition))
}
