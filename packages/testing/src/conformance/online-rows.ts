import { encodeStamp, type Instant, type OnlineRow, type OnlineStore } from '@asof/core'

/** The bytes of a name. */
export function key(name: string): Uint8Array {
  return Buffer.from(name, 'utf8')
}

/** One question. */
export function request(table: string, name: string): { table: string; key: Uint8Array } {
  return { table, key: key(name) }
}

/** A row whose stamp is dated `e`, and whose payload after the stamp is a text: `e` by default. */
export function row(name: string, e: number, body: string = String(e)): OnlineRow {
  return rowOf(key(name), e, body)
}

/** A row of any key and stamp. */
export function rowOf(bytes: Uint8Array, stamp: number | Uint8Array, body: string): OnlineRow {
  const encoded =
    typeof stamp === 'number' ? encodeStamp({ e: stamp as Instant, c: stamp as Instant, s: 0 }) : stamp
  return { key: bytes, stamp: encoded, payload: Buffer.concat([encoded, Buffer.from(body, 'latin1')]) }
}

/** What follows the stamp. */
export function text(payload: Uint8Array): string {
  return Buffer.from(payload.subarray(24)).toString('latin1')
}

/** The text stored under a name. */
export async function valueOf(store: OnlineStore, table: string, name: string): Promise<string | undefined> {
  const [payload] = await store.read([request(table, name)])
  return payload && text(payload)
}

/** The keys that a scan gives, in its order. */
export async function keysOf(
  store: OnlineStore,
  table: string,
  range: Parameters<OnlineStore['scan']>[1] = {},
  encoding: 'utf8' | 'hex' = 'utf8',
): Promise<string[]> {
  const keys: string[] = []
  for await (const scanned of store.scan(table, range)) keys.push(Buffer.from(scanned.key).toString(encoding))
  return keys
}
