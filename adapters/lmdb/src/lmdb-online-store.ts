import {
  compareStampBytes,
  invalid,
  latestOfEachKey,
  notFound,
  STAMP_BYTES,
  type OnlineRead,
  type OnlineRow,
  type OnlineStore,
} from '@asof/core'
import type { Database } from 'lmdb'
import { LmdbEnvironment } from './lmdb-environment.ts'

/** Bytes of the number of a table, before each of its keys. */
const TABLE_BYTES = 4
/** The longest key: LMDB takes 1,978 bytes. */
const keyBytesMax = 1_972
/** What one write transaction takes in, so that it holds the event loop for a few milliseconds only. */
const ROWS_PER_COMMIT = 1_000
const BYTES_PER_COMMIT = 4 * 1024 * 1024
/** What one step of a scan reads ahead. */
const ROWS_PER_PAGE = 500
const BYTES_PER_PAGE = 1024 * 1024
const SLAB_BYTES = 256 * 1024

/**
 * An online store in a folder, shared by the processes of one machine.
 *
 * All rows lie in one database under `table number (u32, big-endian) | key`, so a table is one contiguous range and
 * there may be thousands. What `read` returns stays valid: it is copied into memory that is never used again.
 *
 * @throws {AsofError} `wrong_folder`, `unknown_format`
 * @example
 * ```ts
 * await using online = await openLmdbOnlineStore('.asof/online')
 * ```
 */
export async function openLmdbOnlineStore(folder: string): Promise<OnlineStore> {
  const store = new LmdbOnlineStore(await LmdbEnvironment.open(folder, 'online'))
  await store.finishDrops()
  return store
}

/** Facts about all tables: the number for the next one, and a count that rises when a table goes. */
interface CatalogueState {
  readonly next: number
  readonly generation: number
}

class LmdbOnlineStore implements OnlineStore {
  readonly #environment: LmdbEnvironment
  readonly #rows: Database<Uint8Array, Uint8Array>
  /** Number of each table by name. */
  readonly #catalogue: Database<number>
  readonly #state: Database<CatalogueState>
  /** Numbers of tables that are gone from the catalogue and whose rows are still being removed. */
  readonly #dropping: Database<true, number>
  /** The catalogue as last seen. */
  readonly #numbers = new Map<string, number>()
  #generation = -1
  readonly #key = new Uint8Array(TABLE_BYTES + keyBytesMax)
  #slab = new Uint8Array(0)
  #used = 0

  constructor(environment: LmdbEnvironment) {
    this.#environment = environment
    this.#rows = environment.bytes('rows')
    this.#catalogue = environment.json<number>('tables')
    this.#state = environment.json<CatalogueState>('state')
    this.#dropping = environment.json<true, number>('dropping')
  }

  async provision(table: string): Promise<void> {
    this.#environment.fresh()
    // Mostly it is there, and looking waits for no writer.
    if (this.#catalogue.get(table) !== undefined) return
    await this.#environment.writeAside(() => {
      if (this.#catalogue.get(table) !== undefined) return
      const { next, generation } = this.#catalogueState()
      this.#catalogue.putSync(table, next)
      this.#state.putSync(STATE, { next: next + 1, generation })
    })
  }

  async read(requests: readonly OnlineRead[]): Promise<(Uint8Array | undefined)[]> {
    this.#environment.nearlyFresh()
    const generation = this.#generation
    const found = this.#lookUp(requests)
    // A miss may also mean that another process dropped the table, and made one of that name anew.
    const moved = found.includes(undefined) && this.#learnGeneration() !== generation
    return moved ? this.#lookUp(requests) : found
  }

  async write(table: string, rows: readonly OnlineRow[]): Promise<{ readonly applied: number }> {
    const latest = latestOfEachKey(rows)
    let applied = 0
    let from = 0
    do {
      const to = commitEnd(latest, from)
      applied += await this.#environment.writeAside(() => {
        const number = this.#numberNow(table)
        let changed = 0
        for (let index = from; index < to; index++) if (this.#put(number, latest[index]!)) changed++
        return changed
      })
      from = to
    } while (from < latest.length)
    return { applied }
  }

  async *scan(
    table: string,
    range: { from?: Uint8Array; to?: Uint8Array; limit?: number } = {},
  ): AsyncGenerator<OnlineRow, void, undefined> {
    this.#environment.fresh()
    const number = this.#numberNow(table)
    let start = tableKey(number, range.from)
    const end = range.to === undefined ? tableKey(number + 1) : tableKey(number, range.to)
    let left = range.limit ?? Number.POSITIVE_INFINITY
    while (left > 0) {
      const page = this.#page(start, end, Math.min(left, ROWS_PER_PAGE))
      for (const [key, payload] of page) {
        yield { key: key.subarray(TABLE_BYTES), stamp: payload.subarray(0, STAMP_BYTES), payload }
      }
      const last = page.at(-1)
      if (last === undefined) return
      left -= page.length
      start = successor(last[0])
      this.#environment.fresh()
      if (this.#numberNow(table) !== number) throw tableNotFound(table)
    }
  }

  async remove(table: string, keys: readonly Uint8Array[]): Promise<void> {
    let from = 0
    do {
      const part = keys.slice(from, from + ROWS_PER_COMMIT)
      await this.#environment.writeAside(() => {
        const number = this.#numberNow(table)
        for (const key of part) this.#rows.removeSync(this.#fullKey(number, key))
      })
      from += ROWS_PER_COMMIT
    } while (from < keys.length)
  }

  async drop(table: string): Promise<void> {
    await this.#environment.writeAside(() => {
      const number = this.#catalogue.get(table)
      if (number === undefined) return
      const { next, generation } = this.#catalogueState()
      this.#catalogue.removeSync(table)
      this.#dropping.putSync(number, true)
      this.#state.putSync(STATE, { next, generation: generation + 1 })
    })
    await this.finishDrops()
  }

  /** Removes the rows of dropped tables, in small steps; what a crash left over is taken up when the store is opened. */
  async finishDrops(): Promise<void> {
    this.#environment.fresh()
    const numbers = [...this.#dropping.getKeys()] as number[]
    for (const number of numbers) {
      const range = { start: tableKey(number), end: tableKey(number + 1), limit: ROWS_PER_COMMIT }
      let more = true
      while (more) {
        more = await this.#environment.writeAside(() => {
          const keys = [...this.#rows.getKeys(range)]
          for (const key of keys) this.#rows.removeSync(key)
          if (keys.length === 0) this.#dropping.removeSync(number)
          return keys.length > 0
        })
      }
    }
  }

  async tables(): Promise<readonly string[]> {
    this.#environment.fresh()
    return ([...this.#catalogue.getKeys()] as string[]).sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#environment[Symbol.asyncDispose]()
  }

  #lookUp(requests: readonly OnlineRead[]): (Uint8Array | undefined)[] {
    return requests.map(({ table, key }) => {
      const number = this.#numbers.get(table) ?? this.#learnNumber(table)
      // The bytes are overwritten by the next get, whoever makes it.
      const value = this.#rows.getBinaryFast(this.#fullKey(number, key))
      return value === undefined ? undefined : this.#keep(value, value.length)
    })
  }

  /** Writes a row unless the stored one is as new; within a write transaction. */
  #put(number: number, { key, stamp, payload }: OnlineRow): boolean {
    const at = this.#fullKey(number, key)
    const held = this.#rows.getBinaryFast(at)
    if (held !== undefined && compareStampBytes(stamp, held) <= 0) return false
    this.#rows.putSync(at, payload)
    return true
  }

  /** One step of a scan, copied, so that no read transaction stays open behind it. */
  #page(start: Uint8Array, end: Uint8Array, limit: number): [key: Uint8Array, payload: Uint8Array][] {
    const page: [Uint8Array, Uint8Array][] = []
    let bytes = 0
    for (const { key, value } of this.#rows.getRange({ start, end, limit })) {
      page.push([key, value])
      bytes += value.length
      if (bytes >= BYTES_PER_PAGE) break
    }
    return page
  }

  #keep(value: Uint8Array, length: number): Uint8Array {
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, length)).buffer)
      this.#used = 0
    }
    const kept = this.#slab.subarray(this.#used, this.#used + length)
    kept.set(value.subarray(0, length))
    this.#used += length
    return kept
  }

  /** The key of a row, in memory that the next call uses again. */
  #fullKey(number: number, key: Uint8Array): Uint8Array {
    checkLength(key)
    writeTable(this.#key, number)
    this.#key.set(key, TABLE_BYTES)
    return this.#key.subarray(0, TABLE_BYTES + key.length)
  }

  #learnNumber(table: string): number {
    this.#learnGeneration()
    const number = this.#numberNow(table)
    this.#numbers.set(table, number)
    return number
  }

  /** Forgets the numbers of tables when some table has gone since they were learned. */
  #learnGeneration(): number {
    const { generation } = this.#catalogueState()
    if (generation !== this.#generation) this.#numbers.clear()
    this.#generation = generation
    return generation
  }

  #numberNow(table: string): number {
    const number = this.#catalogue.get(table)
    if (number === undefined) throw tableNotFound(table)
    return number
  }

  #catalogueState(): CatalogueState {
    return this.#state.get(STATE) ?? { next: 0, generation: 0 }
  }
}

const STATE = 'catalogue'

function tableNotFound(table: string): Error {
  return notFound('table_not_found', 'provision the table first', { table })
}

/** Where the commit that begins with row `from` ends. */
function commitEnd(rows: readonly OnlineRow[], from: number): number {
  let bytes = 0
  let to = from
  while (to < rows.length && to - from < ROWS_PER_COMMIT && bytes < BYTES_PER_COMMIT)
    bytes += rows[to++]!.payload.length
  return to
}

function checkLength(key: Uint8Array): void {
  if (key.length <= keyBytesMax) return
  throw invalid('online_key_too_long', 'the key is too long', { bytes: key.length, keyBytesMax })
}

function tableKey(number: number, key: Uint8Array = new Uint8Array()): Uint8Array {
  checkLength(key)
  const bytes = new Uint8Array(TABLE_BYTES + key.length)
  writeTable(bytes, number)
  bytes.set(key, TABLE_BYTES)
  return bytes
}

function writeTable(into: Uint8Array, number: number): void {
  into[0] = number >>> 24
  into[1] = number >>> 16
  into[2] = number >>> 8
  into[3] = number
}

/** The least key after this one. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
