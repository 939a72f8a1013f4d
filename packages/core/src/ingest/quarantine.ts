import type { Instant } from '../clock/instant.ts'
import { notFound } from '../errors/asof-error.ts'
import { LIMITS } from '../limits/limits.ts'
import { sha256Hex } from '../model/fingerprint.ts'
import type { RejectedRow } from '../ports/compute-engine.ts'
import type { OnlineStore } from '../ports/online-store.ts'

/** A row that was refused, kept with its reason until it is retried or removed. */
export interface QuarantinedRow extends RejectedRow {
  /** Names the row in `show` and `retry`. */
  readonly id: string
  /** The group version, `name@version`. */
  readonly group: string
  readonly at: Instant
}

/**
 * Rows that were refused: with the reason on each, kept until somebody decides.
 *
 * The same row refused for the same reason is kept once, so a repeated run adds nothing.
 */
export class Quarantine {
  readonly #online: OnlineStore
  readonly #table: string

  constructor(online: OnlineStore, project: string) {
    this.#online = online
    this.#table = `${project}/quarantine`
  }

  /** Keeps rows; answers how many, as only the first `quarantineRowsMax` of a group are kept. */
  async add(group: string, rows: readonly RejectedRow[], at: Instant): Promise<number> {
    if (rows.length === 0) return 0
    await this.#online.provision(this.#table)
    const room = LIMITS.quarantineRowsMax - (await this.list(group)).length
    const kept = rows.slice(0, Math.max(0, room)).map((row): QuarantinedRow => {
      return { ...row, id: quarantineId(group, row), group, at }
    })
    await this.#online.write(
      this.#table,
      kept.map((row) => ({
        key: keyOf(row.group, row.id),
        stamp: STAMP,
        payload: Buffer.concat([STAMP, Buffer.from(JSON.stringify(row), 'utf8')]),
      })),
    )
    return kept.length
  }

  /** The kept rows of a group, or of all groups. */
  async list(group?: string): Promise<QuarantinedRow[]> {
    if (!(await this.#online.tables()).includes(this.#table)) return []
    const range =
      group === undefined
        ? {}
        : { from: Buffer.from(`${group}\0`, 'utf8'), to: Buffer.from(`${group}\u0001`, 'utf8') }
    const rows: QuarantinedRow[] = []
    for await (const row of this.#online.scan(this.#table, range)) {
      rows.push(JSON.parse(Buffer.from(row.payload.subarray(24)).toString('utf8')) as QuarantinedRow)
    }
    return rows
  }

  /**
   * One row by its id.
   *
   * @throws {AsofError} `quarantined_row_not_found`
   */
  async show(id: string): Promise<QuarantinedRow> {
    const row = (await this.list()).find((candidate) => candidate.id === id)
    if (row === undefined) throw notFound('quarantined_row_not_found', 'no such row in quarantine', { id })
    return row
  }

  /** Takes rows out, once they are in the log or nobody wants them. */
  async remove(rows: readonly QuarantinedRow[]): Promise<void> {
    if (rows.length === 0) return
    await this.#online.remove(
      this.#table,
      rows.map((row) => keyOf(row.group, row.id)),
    )
  }
}

/** Names a refused row: the same row of a group, refused for the same reason, is one. */
export function quarantineId(group: string, row: RejectedRow): string {
  return sha256Hex(JSON.stringify([group, row.reason, row.column, row.row])).slice(0, 16)
}

/** Rows in quarantine have no order in time: the first to arrive stays. */
const STAMP = new Uint8Array(24)

function keyOf(group: string, id: string): Uint8Array {
  return Buffer.from(`${group}\0${id}`, 'utf8')
}
