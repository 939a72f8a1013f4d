import { mkdirSync, realpathSync } from 'node:fs'
import { AsofError, corrupt, invalid } from '@asof/core'
import { open, type Database, type RootDatabase } from 'lmdb'

/** What a folder holds. */
export type LmdbContent = 'registry' | 'online' | 'log'

/** The layout that this release writes; a folder with another is refused. */
const FORMAT: Readonly<Record<LmdbContent, number>> = { registry: 1, online: 2, log: 1 }

/** One LMDB environment of this process, shared by all that opened its folder. */
interface SharedEnvironment {
  readonly root: RootDatabase
  readonly databases: Map<string, Database>
  users: number
  closing: Promise<void> | undefined
}

const shared = new Map<string, SharedEnvironment>()

/**
 * A folder with LMDB databases, and the few ways in which they are read and written.
 *
 * Within a process a folder is opened once, whoever asks: two environments over one folder could wait for each other
 * on one thread. Every commit is synced before it returns; the overlapping sync of lmdb-js is off.
 */
export class LmdbEnvironment implements AsyncDisposable {
  readonly #folder: string
  readonly #environment: SharedEnvironment
  #looked = 0
  #closed = false

  private constructor(folder: string, environment: SharedEnvironment) {
    this.#folder = folder
    this.#environment = environment
  }

  /**
   * Opens a folder, which is made when it is absent.
   *
   * @throws {AsofError} `wrong_folder`, when it holds something else; `unknown_format`, when a later release wrote it
   */
  static async open(folder: string, content: LmdbContent): Promise<LmdbEnvironment> {
    mkdirSync(folder, { recursive: true })
    const path = realpathSync(folder)
    await shared.get(path)?.closing
    const environment = shared.get(path) ?? openShared(path)
    environment.users++
    const opened = new LmdbEnvironment(path, environment)
    try {
      opened.#checkContent(content)
    } catch (error) {
      await opened[Symbol.asyncDispose]()
      throw error
    }
    return opened
  }

  /** A database whose keys and values are bytes. */
  bytes(name: string): Database<Uint8Array, Uint8Array> {
    return this.#database(name, { encoding: 'binary', keyEncoding: 'binary' }) as Database<
      Uint8Array,
      Uint8Array
    >
  }

  /** A database of JSON values by text or number. */
  json<Value, Key extends string | number = string>(name: string): Database<Value, Key> {
    return this.#database(name, { encoding: 'json' }) as Database<Value, Key>
  }

  /**
   * Does `body` in one write transaction: all or nothing, alone among all processes, on disk when it returns. Within
   * another one it joins that.
   */
  write<Result>(body: () => Result): Result {
    this.check()
    try {
      return this.#environment.root.transactionSync(body)
    } catch (error) {
      throw storeError(error)
    }
  }

  /**
   * Does `body` in a write transaction that is begun and synced on another thread: the event loop is held by `body`
   * alone. When `body` throws, what it wrote before stays.
   */
  async writeAside<Result>(body: () => Result): Promise<Result> {
    this.check()
    try {
      return await this.#environment.root.transaction(body)
    } catch (error) {
      // The reason of a failed commit hangs on the error as a rejected promise, which must not stay unhandled.
      const reason: unknown = await (error as { commitError?: Promise<never> }).commitError?.catch(
        (cause: unknown) => cause,
      )
      throw storeError(reason ?? error)
    }
  }

  /** Reads that follow see everything that any process had committed when this was called. */
  fresh(): void {
    this.check()
    this.#environment.root.resetReadTxn()
    this.#looked = performance.now()
  }

  /**
   * Reads that follow see everything that this process has committed, and what others had a millisecond ago. Cheaper
   * than `fresh`, which costs a timer in lmdb-js.
   */
  nearlyFresh(): void {
    if (performance.now() - this.#looked > 1) this.fresh()
    else this.check()
  }

  /** Waits for the write transactions under way in all processes. */
  barrier(): void {
    this.write(() => undefined)
  }

  /** Whether it was disposed of. */
  get closed(): boolean {
    return this.#closed
  }

  /** @throws {AsofError} `store_closed` */
  check(): void {
    if (this.#closed) throw new AsofError('closed', 'store_closed', 'the store is closed; open it again')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const environment = this.#environment
    if (--environment.users > 0) return
    environment.closing = environment.root.close().finally(() => shared.delete(this.#folder))
    await environment.closing
  }

  #database(name: string, options: Parameters<RootDatabase['openDB']>[1]): Database {
    const { root, databases } = this.#environment
    const known = databases.get(name)
    if (known !== undefined) return known
    const database = root.openDB(name, options)
    databases.set(name, database)
    return database
  }

  #checkContent(content: LmdbContent): void {
    const about = this.json<{ content: string; format: number }>('about')
    this.fresh()
    const found =
      about.get('asof') ??
      this.write(() => {
        const raced = about.get('asof')
        if (raced === undefined) about.putSync('asof', { content, format: FORMAT[content] })
        return raced
      })
    if (found === undefined) return
    if (found.content !== content) {
      throw invalid('wrong_folder', 'the folder holds something else; give each store its own', {
        folder: this.#folder,
        holds: found.content,
        wanted: content,
      })
    }
    if (found.format !== FORMAT[content]) {
      throw invalid('unknown_format', 'another release of asof wrote this folder; use that one', {
        folder: this.#folder,
        format: found.format,
        known: FORMAT[content],
      })
    }
  }
}

function openShared(path: string): SharedEnvironment {
  const root = open({
    path,
    // A folder may have a dot in its name.
    noSubdir: false,
    overlappingSync: false,
    // With it, a commit that fails leaves a rejected promise that nobody can handle.
    eventTurnBatching: false,
  })
  const environment = { root, databases: new Map<string, Database>(), users: 0, closing: undefined }
  shared.set(path, environment)
  return environment
}

/** Numbers of the system and of LMDB that mean a disk that takes no more: EIO, EFBIG, ENOSPC, EROFS, EDQUOT, MAP_FULL. */
const REFUSED_BY_DISK: ReadonlySet<unknown> = new Set([5, 27, 28, 30, 122, -30792])
/** PAGE_NOTFOUND, CORRUPTED, INVALID. */
const DAMAGED: ReadonlySet<unknown> = new Set([-30797, -30796, -30793])

function storeError(error: unknown): unknown {
  if (error instanceof AsofError || !(error instanceof Error)) return error
  const { code } = error as { code?: unknown }
  if (REFUSED_BY_DISK.has(code)) {
    const text = 'the disk refused the write and nothing has changed; make room, then retry'
    return new AsofError(
      'unavailable',
      'disk_refused_write',
      text,
      { reason: error.message },
      { cause: error },
    )
  }
  if (DAMAGED.has(code))
    return corrupt('damaged_store', 'the stored pages are damaged', { reason: error.message })
  return new AsofError('internal', 'lmdb_failed', 'LMDB failed', { reason: error.message }, { cause: error })
}
