import { readCommit, readDeltaLog } from './delta-log.ts'
import type { LogParts } from './delta-log.ts'
import { commitPath } from './delta-path.ts'
import { advance, finish, startState } from './log-state.ts'
import type { DeltaLog } from './log-state.ts'

/** The newest state of tables, kept from call to call, so that looking again costs two small reads. */
export class NewestLogs {
  readonly #parts: LogParts
  readonly #known = new Map<string, { readonly log: DeltaLog; readonly body: Uint8Array }>()

  constructor(parts: LogParts) {
    this.#parts = parts
  }

  /**
   * The newest version of a table; undefined when there is no such table. What is known is used only while the newest
   * commit that it rests on is still there, byte for byte: a table may have been deleted and made anew.
   */
  async read(table: string): Promise<DeltaLog | undefined> {
    const known = this.#known.get(table)
    if (known !== undefined) {
      const same = await this.#parts.objects.get(commitPath(table, known.log.version))
      if (same !== undefined && equalBytes(same, known.body)) return this.#forward(table, known)
      this.#known.delete(table)
    }
    const log = await readDeltaLog(this.#parts, table)
    if (log !== undefined) await this.#keep(table, log)
    return log
  }

  /** Remembers a version that was just committed. */
  remember(table: string, log: DeltaLog, body: Uint8Array): void {
    this.#known.set(table, { log, body })
  }

  /** Remembers that a checkpoint of a version was written. */
  checkpointed(table: string, version: number): void {
    const known = this.#known.get(table)
    if (known !== undefined) this.#known.set(table, { ...known, log: { ...known.log, checkpoint: version } })
  }

  async #forward(table: string, known: { log: DeltaLog; body: Uint8Array }): Promise<DeltaLog> {
    const state = startState(known.log)
    let body = known.body
    for (;;) {
      const next = await readCommit(this.#parts.objects, table, state.version + 1)
      if (next === undefined) break
      advance(state, next.commit, state.version + 1)
      body = next.body
    }
    if (state.version === known.log.version) return known.log
    const log = finish(state, table)
    this.#known.set(table, { log, body })
    return log
  }

  async #keep(table: string, log: DeltaLog): Promise<void> {
    const body = await this.#parts.objects.get(commitPath(table, log.version))
    if (body !== undefined) this.#known.set(table, { log, body })
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
