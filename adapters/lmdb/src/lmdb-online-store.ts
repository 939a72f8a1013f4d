import {
  compareStampBytes,
  latestOfEachKey,
  notFound,
  STAMP_BYTES,
  type OnlineRead,
  type OnlineRow,
  type OnlineStore,
} from '@asof/core'
import type { Database } from 'lmdb'
import { LmdbEnvironment } from './lmdb-environment.ts'
import { keyAt, placeBuffer, placeOf, tableRange, writePlace, type TablePlace } from './row-place.ts'

/** What one write transaction takes in, so that it holds the event loop for a few milliseconds only. */
const ROWS_PER_COMMIT = 1_000
const BYTES_PER_COMMIT = 4 * 1024 * 1024
/** What one step of a scan reads ahead. */
const ROWS_PER_PAGE = 500
/** Rows that one step looks at, those of other tables included. */
const ROWS_SEEN_PER_PAGE = 10_000
const BYTES_PER_PAGE = 1024 * 1024
const SLAB_BYTES = 256 * 1024

/**
 * An online store in a folder, shared by the processes of one machine.
 *
 * There may be thousands of tables; how their rows lie is told at `Layout`. What `read` returns stays valid: it is copied into
 * memory that is never used again.
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
  /** By layout. */
  readonly #rows: Readonly<Record<TablePlace['layout'], Database<Uint8Array, Uint8Array>>>
  /** Each table by name. */
  readonly #catalogue: Database<TablePlace>
  readonly #state: Database<CatalogueState>
  /** Tables, by number, that are gone from the catalogue and whose rows are still being removed. */
  readonly #dropping: Database<TablePlace, number>
  /** The catalogue as last seen. */
  readonly #tables = new Map<string, TablePlace>()
  #generation = -1
  readonly #place = placeBuffer()
  #slab = new Uint8Array(0)
  #used = 0

  constructor(environment: LmdbEnvironment) {
    this.#environment = environment
    this.#rows = { apart: environment.bytes('rows'), together: environment.bytes('together') }
    this.#catalogue = environment.json<TablePlace>('tables')
    this.#state = environment.json<CatalogueState>('state')
    this.#dropping = environment.json<TablePlace, number>('dropping')
  }

  async provision(table: string, { together = false }: { together?: boolean } = {}): Promise<void> {
    this.#environment.fresh()
    // Mostly it is there, and looking waits for no writer.
    if (this.#catalogue.get(table) !== undefined) return
    await this.#environment.writeAside(() => {
      if (this.#catalogue.get(table) !== undefined) return
      const { next, generation } = this.#catalogueState()
      this.#catalogue.putSync(table, { number: next, layout: together ? 'together' : 'apart' })
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
        const at = this.#tableNow(table)
        let changed = 0
        for (let index = from; index < to; index++) if (this.#put(at, latest[index]!)) changed++
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
    const at = this.#tableNow(table)
    const whole = tableRange(at)
    let start: Uint8Array | undefined = range.from === undefined ? whole.start : placeOf(at, range.from)
    const end = range.to === undefined ? whole.end : placeOf(at, range.to)
    let left = range.limit ?? Number.POSITIVE_INFINITY
    while (left > 0 && start !== undefined) {
      const page = this.#page(at, start, end, Math.min(left, ROWS_PER_PAGE))
      for (const [key, payload] of page.rows) {
        yield { key, stamp: payload.subarray(0, STAMP_BYTES), payload }
      }
      left -= page.rows.length
      start = page.next
      this.#environment.fresh()
      if (this.#tableNow(table).number !== at.number) throw tableNotFound(table)
    }
  }

  async remove(table: string, keys: readonly Uint8Array[]): Promise<void> {
    let from = 0
    do {
      const part = keys.slice(from, from + ROWS_PER_COMMIT)
      await this.#environment.writeAside(() => {
        const at = this.#tableNow(table)
        for (const key of part) this.#rows[at.layout].removeSync(this.#placed(at, key))
      })
      from += ROWS_PER_COMMIT
    } while (from < keys.length)
  }

  async drop(table: string): Promise<void> {
    await this.#environment.writeAside(() => {
      const at = this.#catalogue.get(table)
      if (at === undefined) return
      const { next, generation } = this.#catalogueState()
      this.#catalogue.removeSync(table)
      this.#dropping.putSync(at.number, at)
      this.#state.putSync(STATE, { next, generation: generation + 1 })
    })
    await this.finishDrops()
  }

  /** Removes the rows of dropped tables, in small steps; what a crash left over is taken up when the store is opened. */
  async finishDrops(): Promise<void> {
    this.#environment.fresh()
    const tables = [...this.#dropping.getRange({})].map(({ value }) => value)
    for (const table of tables) {
      const { start, end } = tableRange(table)
      let from: Uint8Array | undefined = start
      while (from !== undefined) {
        const part: Uint8Array = from
        from = await this.#environment.writeAside(() => {
          const { rows, next } = this.#page(table, part, end, ROWS_PER_COMMIT)
          for (const [key] of rows) this.#rows[table.layout].removeSync(this.#placed(table, key))
          if (next === undefined) this.#dropping.removeSync(table.number)
          return next
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
      const at = this.#tables.get(table) ?? this.#learnTable(table)
      // The bytes are overwritten by the next get, whoever makes it.
      const value = this.#rows[at.layout].getBinaryFast(this.#placed(at, key))
      return value === undefined ? undefined : this.#keep(value, value.length)
    })
  }

  /** Writes a row unless the stored one is as new; within a write transaction. */
  #put(table: TablePlace, { key, stamp, payload }: OnlineRow): boolean {
    const rows = this.#rows[table.layout]
    const at = this.#placed(table, key)
    const held = rows.getBinaryFast(at)
    if (held !== undefined && compareStampBytes(stamp, held) <= 0) return false
    rows.putSync(at, payload)
    return true
  }

  /** One step of a scan, copied, so that no read transaction stays open behind it; and where the next begins, if any. */
  #page(table: TablePlace, start: Uint8Array, end: Uint8Array, limit: number): Page {
    const rows: [Uint8Array, Uint8Array][] = []
    let bytes = 0
    let seen = 0
    for (const { key: place, value } of this.#rows[table.layout].getRange({ start, end })) {
      const key = keyAt(table, place)
      if (key !== undefined) {
        rows.push([key, value])
        bytes += value.length
      }
      seen++
      if (rows.length >= limit || bytes >= BYTES_PER_PAGE || seen >= ROWS_SEEN_PER_PAGE) {
        return { rows, next: successor(place) }
      }
    }
    return { rows, next: undefined }
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

  /** Where a row lies, in memory that the next call uses again. */
  #placed(table: TablePlace, key: Uint8Array): Uint8Array {
    return this.#place.subarray(0, writePlace(this.#place, table, key))
  }

  #learnTable(table: string): TablePlace {
    this.#learnGeneration()
    const at = this.#tableNow(table)
    this.#tables.set(table, at)
    return at
  }

  /** Forgets where tables are when some table has gone since they were learned. */
  #learnGeneration(): number {
    const { generation } = this.#catalogueState()
    if (generation !== this.#generation) this.#tables.clear()
    this.#generation = generation
    return generation
  }

  #tableNow(table: string): TablePlace {
    const at = this.#catalogue.get(table)
    if (at === undefined) throw tableNotFound(table)
    return at
  }

  #catalogueState(): CatalogueState {
    return this.#state.get(STATE) ?? { next: 0, generation: 0 }
  }
}

const STATE = 'catalogue'

/** One step of a scan. */
interface Page {
  readonly rows: readonly (readonly [key: Uint8Array, payload: Uint8Array])[]
  readonly next: Uint8Array | undefined
}

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

/** The least key after this one. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
