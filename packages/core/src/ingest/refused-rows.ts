import { LIMITS } from '../limits/limits.ts'
import type { Extraction } from '../ports/compute-engine.ts'
import { quarantineId } from './quarantine.ts'

/**
 * Counts the refused rows of one call, each once as the quarantine keeps it: runs that overlap meet the same row again.
 *
 * Once `quarantineRowsMax` rows are known, those that follow are kept by nobody and counted as they come.
 */
export class RefusedRows {
  readonly #group: string
  readonly #known = new Set<string>()

  /** @param group the group version, `name@version` */
  constructor(group: string) {
    this.#group = group
  }

  /** How many of the rows were not counted before, and of those that are listed how many for each reason. */
  count({ rejected, rejectedCount }: Pick<Extraction, 'rejected' | 'rejectedCount'>): {
    readonly quarantined: number
    readonly reasons: Readonly<Record<string, number>>
  } {
    const reasons: Record<string, number> = {}
    let quarantined = rejectedCount - rejected.length
    for (const row of rejected) {
      const id = quarantineId(this.#group, row)
      if (this.#known.has(id)) continue
      if (this.#known.size < LIMITS.quarantineRowsMax) this.#known.add(id)
      reasons[row.reason] = (reasons[row.reason] ?? 0) + 1
      quarantined++
    }
    return { quarantined, reasons }
  }
}
