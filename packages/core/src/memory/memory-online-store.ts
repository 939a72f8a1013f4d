import { compareStampBytes } from '../codec/stamp.ts'
import { notFound } from '../errors/asof-error.ts'
import { latestOfEachKey } from '../ports/online-input.ts'
import type { OnlineRow, OnlineStore } from '../ports/online-store.ts'

/** Rows by key; a key is written with one character a byte, so that characters compare as bytes do. */
type Table = Map<string, OnlineRow>

/**
 * An online store in memory, for tests and short-lived stores. It holds its content until it is garbage; disposing it
 * does nothing.
 */
export function memoryOnlineStore(): OnlineStore {
  const tables = new Map<string, Table>()
  const find = (name: string): Table => {
    const table = tables.get(name)
    if (table === undefined) throw notFound('table_not_found', 'provision the table first', { table: name })
    return table
  }
  return {
    provision: async (name) => {
      if (!tables.has(name)) tables.set(name, new Map())
    },
    read: async (requests) =>
      requests.map(({ table, key }) => find(table).get(characters(key))?.payload.slice()),
    write: async (name, rows) => {
      const table = find(name)
      let applied = 0
      for (const { key, stamp, payload } of latestOfEachKey(rows)) {
        const at = characters(key)
        const held = table.get(at)
        if (held !== undefined && compareStampBytes(stamp, held.stamp) <= 0) continue
        // `slice` of a Buffer would share its bytes.
        table.set(at, {
          key: new Uint8Array(key),
          stamp: new Uint8Array(stamp),
          payload: new Uint8Array(payload),
        })
        applied++
      }
      return { applied }
    },
    async *scan(name, range = {}) {
      const table = find(name)
      const from = characters(range.from ?? new Uint8Array())
      const to = range.to === undefined ? undefined : characters(range.to)
      const keys = [...table.keys()].filter((key) => key >= from && (to === undefined || key < to)).sort()
      for (const key of keys.slice(0, range.limit)) {
        const row = table.get(key)
        if (row !== undefined)
          yield {
            key: new Uint8Array(row.key),
            stamp: new Uint8Array(row.stamp),
            payload: new Uint8Array(row.payload),
          }
      }
    },
    remove: async (name, keys) => {
      const table = find(name)
      for (const key of keys) table.delete(characters(key))
    },
    drop: async (name) => {
      tables.delete(name)
    },
    tables: async () => [...tables.keys()].sort(),
    [Symbol.asyncDispose]: async () => {},
  }
}

function characters(key: Uint8Array): string {
  return String.fromCharCode(...key)
}
