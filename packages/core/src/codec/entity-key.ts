import { TIMESTAMP_MAX, TIMESTAMP_MIN } from '../clock/instant.ts'
import { corrupt, invalid } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import type { KeyType } from '../model/feature-type.ts'
import type { KeyValues, ScalarValue } from '../model/value.ts'

/**
 * The id of an entity as text: its parts in declared order, percent-encoded but for `A-Z a-z 0-9 - _ . ~`, joined by
 * `:`. Two keys of the same types have the same text only if they are equal; no Unicode normalisation takes place.
 * An entity without join keys has the empty id. The text is ASCII, so its length is its bytes.
 *
 * @param key checked values; no part may be null, for which callers answer `not_found` before
 * @throws {AsofError} `key_too_long` beyond 512 bytes, `null_key` for a null part
 * @example
 * ```ts
 * encodeEntityKey([{ kind: 'string' }, { kind: 'int32' }], ['a:b', 7]) // 'a%3Ab:7'
 * ```
 */
export function encodeEntityKey(types: readonly KeyType[], key: KeyValues): string {
  let text = ''
  for (let index = 0; index < types.length; index++) {
    if (index > 0) text += ':'
    text += encodePart(types[index]!, key[index] ?? null)
  }
  if (text.length <= LIMITS.keyBytesMax) return text
  throw invalid('key_too_long', 'an entity key is longer, once percent-encoded, than the limit keyBytesMax', {
    bytes: text.length,
    keyBytesMax: LIMITS.keyBytesMax,
  })
}

/**
 * Reads the text of {@link encodeEntityKey} back, and only such a text.
 *
 * @throws {AsofError} `corrupt_key`
 */
export function decodeEntityKey(types: readonly KeyType[], text: string): KeyValues {
  const parts = types.length === 0 && text === '' ? [] : text.split(':')
  if (parts.length !== types.length) throw corruptKey()
  const key = types.map((type, index) => decodePart(type, parts[index]!))
  if (encodeEntityKey(types, key) !== text) throw corruptKey()
  return key
}

/** What names the rows of one group version in an online store. */
export interface OnlineTable {
  /** One per project and store, `feature_store` by default; a name as any other. */
  readonly namespace: string
  /** Version of the group, from 1. */
  readonly version: number
  /** Name of the entity. */
  readonly entity: string
  /** Name of the group. */
  readonly group: string
}

/** One row of an online store by its name. */
export interface OnlineKey extends OnlineTable {
  /** Made by {@link encodeEntityKey}. */
  readonly entityKey: string
}

/**
 * The key of a row in an online store: `{namespace}:[vN:]{entity:id}:group` in ASCII, where the braces around entity
 * and id are literal (the hash tag of a Redis cluster) and version 1 has no `vN`.
 *
 * @example
 * ```ts
 * const key = onlineKey({ namespace: 'feature_store', version: 2, entity: 'airport', entityKey: 'LAX', group: 'delays' })
 * new TextDecoder().decode(key) // 'feature_store:v2:{airport:LAX}:delays'
 * ```
 */
export function onlineKey(key: OnlineKey): Uint8Array {
  return onlineKeys(key)(key.entityKey)
}

/** {@link onlineKey} for many entities of one group version: what does not change is encoded once. */
export function onlineKeys(table: OnlineTable): (entityKey: string) => Uint8Array {
  const version = table.version === 1 ? '' : `v${table.version}:`
  const before = ascii(`${table.namespace}:${version}{${table.entity}:`)
  const after = ascii(`}:${table.group}`)
  return (entityKey) => {
    const bytes = new Uint8Array(before.length + entityKey.length + after.length)
    bytes.set(before)
    for (let index = 0; index < entityKey.length; index++) {
      bytes[before.length + index] = entityKey.charCodeAt(index)
    }
    bytes.set(after, before.length + entityKey.length)
    return bytes
  }
}

/**
 * Reads the key of a row back.
 *
 * @throws {AsofError} `corrupt_key`
 */
export function parseOnlineKey(bytes: Uint8Array): OnlineKey {
  const match = ONLINE_KEY.exec(String.fromCharCode(...bytes.subarray(0, ONLINE_KEY_BYTES_MAX + 1)))
  if (match === null || bytes.length > ONLINE_KEY_BYTES_MAX) throw corruptKey()
  const [, namespace, version = '1', entity, entityKey, group] = match
  return {
    namespace: namespace!,
    version: Number(version),
    entity: entity!,
    entityKey: entityKey!,
    group: group!,
  }
}

const ONLINE_KEY_BYTES_MAX = LIMITS.keyBytesMax + 3 * LIMITS.nameCharsMax + 32
/** The id has no brace in it, and version 1 is never written, so each key is read in one way. */
const ONLINE_KEY =
  /^([a-z][a-z0-9_]*):(?:v([2-9]|[1-9]\d{1,14}):)?\{([a-z][a-z0-9_]*):([A-Za-z0-9\-_.~%:]*)\}:([a-z][a-z0-9_]*)$/

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

const UNRESERVED = /^[A-Za-z0-9\-_.~]*$/

function encodePart(type: KeyType, value: ScalarValue | null): string {
  if (value === null) throw invalid('null_key', 'a key with a null part names no entity')
  switch (type.kind) {
    case 'string':
      return encodeText(value as string)
    case 'bytes':
      return encodeBytes(value as Uint8Array)
    case 'bool':
    case 'int32':
    case 'int64':
    case 'timestamp':
      return String(value)
    default:
      return type satisfies never
  }
}

function encodeText(text: string): string {
  if (UNRESERVED.test(text)) return text
  if (!text.isWellFormed())
    throw invalid('invalid_value', 'a key with a lone surrogate; give well-formed text')
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => percent(character.charCodeAt(0)))
}

function encodeBytes(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    text += UNRESERVED.test(character) ? character : percent(byte)
    // What is too long already is refused above, whatever else there is.
    if (text.length > LIMITS.keyBytesMax) break
  }
  return text
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}

/** What is no legal text of the type becomes something whose encoding differs, which the caller refuses. */
function decodePart(type: KeyType, text: string): ScalarValue {
  switch (type.kind) {
    case 'string':
      return decodeText(text)
    case 'bytes':
      return Uint8Array.from(
        text.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
        (character) => character.charCodeAt(0),
      )
    case 'bool':
      return text === 'true'
    case 'int32':
      return Number(decodeInteger(text, -(2n ** 31n), 2n ** 31n - 1n))
    case 'int64':
      return decodeInteger(text, -(2n ** 63n), 2n ** 63n - 1n)
    case 'timestamp':
      return decodeInteger(text, TIMESTAMP_MIN, TIMESTAMP_MAX)
    default:
      return type satisfies never
  }
}

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A malformed escape, which only a foreign or damaged key has.
    throw corruptKey()
  }
}

function decodeInteger(text: string, min: bigint, max: bigint): bigint {
  const value = /^-?\d{1,19}$/.test(text) ? BigInt(text) : max + 1n
  if (value < min || value > max) throw corruptKey()
  return value
}

function corruptKey(): Error {
  return corrupt(
    'corrupt_key',
    'not a key that asof wrote for these types; was another store or entity meant?',
  )
}
