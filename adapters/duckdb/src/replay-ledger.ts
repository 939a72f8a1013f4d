import { LIMITS, TABLE_COLUMNS } from '@asof/core'
import type { DataFile, GroupColumns, Instant, LongCall, RejectedRow, Run } from '@asof/core'
import { queryRows, readingFiles, run } from './database.ts'
import type { Database } from './database.ts'
import { tableSql } from './relation-sql.ts'
import { rowNames, SCHEMA } from './replay-names.ts'
import type { RowNames } from './replay-names.ts'
import { CUT } from './replay-result.ts'
import { sameBits } from './same-bits.ts'
import { identifier } from './sql-text.ts'
import { sqlType } from './vectors.ts'

/** How a ledger is opened. */
export interface LedgerOptions extends LongCall {
  readonly columns: GroupColumns
  readonly runs: readonly Run[]
  /** Those of the runs that are computed. */
  readonly numbers: readonly number[]
  readonly existing: readonly DataFile[]
  /** Of several runs that make a row of one key and event time only the last one's is appended. */
  readonly onePerKey: boolean
}

/** What all runs came to; the rows are in `replay.appended`. */
export interface LedgerTotals {
  readonly appended: number
  /** Appended rows that have an earlier row of their key and event time. */
  readonly corrections: number
  /** Rows left out: equal to the newest, or replaced by a later run of the same call. */
  readonly unchanged: number
  /** Rows dated before what their run reads. */
  readonly cut: number
  readonly rejectedCount: number
  /** The first of them, in order of run. */
  readonly rejected: readonly RejectedRow[]
  /** Appended rows by run. */
  readonly perRun: Int32Array
}

/**
 * Decides which rows of runs are appended: new ones, and ones that differ in a bit from the newest row, by `(c, s)`, with
 * their key and event time.
 *
 * It reads the rows of many runs at once from the view `replay.checked`. One window orders them by key, event time and run,
 * behind the newest row known before (`replay.carried`, run -1), and compares each with the one before it: that one is the
 * newest, or was itself left out as equal to the newest. What later runs can still meet is carried on.
 *
 * A row in the table whose `c` is later than a run's (as a restatement's is, when a backfill goes on after it) stays the
 * newest whatever that run appends. Rows of such a key and event time are compared with it and not with each other.
 *
 * Invariants: `carried` holds one row per key and event time, none that the next run would cut; `appended` only grows, and
 * has one row per run, key and event time.
 */
export class RunLedger {
  readonly #database: Database
  readonly #options: LedgerOptions
  readonly #names: RowNames
  readonly #call: LongCall
  /** Whether `replay.existing` holds rows that stay the newest. */
  #shadows = false
  #accepted = 0
  #cut = 0
  #rejectedCount = 0
  readonly #rejected: RejectedRow[] = []

  private constructor(database: Database, options: LedgerOptions) {
    this.#database = database
    this.#options = options
    this.#names = rowNames(options.columns)
    this.#call = options.signal === undefined ? {} : { signal: options.signal }
  }

  /** Makes the tables and loads the newest rows that the runs can meet. */
  static async open(database: Database, options: LedgerOptions): Promise<RunLedger> {
    const ledger = new RunLedger(database, options)
    await ledger.#createTables()
    await ledger.#loadExisting()
    return ledger
  }

  /**
   * Settles the runs whose rows the view shows.
   *
   * @param rows how many there are
   * @param nextFrom event time from which the next run reads; undefined after the last run
   */
  async settle(rows: number, nextFrom: Instant | undefined): Promise<void> {
    const refused = await this.#refuseUnfit()
    this.#accepted += rows - refused.all
    // Two rows of one run with one key and event time show in the window, unless one of them was refused already.
    let careful = this.#shadows || refused.invalid > 0
    if (!careful) careful = await this.#order(`SELECT * FROM ${SCHEMA}.checked WHERE ok`)
    if (careful) {
      await this.#refuseDuplicates()
      if (this.#shadows) await this.#settleShadowed()
      await this.#order(this.#shadows ? `${this.#single()} ANTI JOIN ${this.#shadowing()}` : this.#single())
    }
    const later = nextFrom === undefined ? 'false' : `r.e >= ${nextFrom}`
    if (this.#options.onePerKey) await this.#appendLast(later)
    else await this.#appendChanged()
    const number = this.#options.onePerKey ? 'run' : '-1 AS run'
    await this.#run(
      `CREATE OR REPLACE TABLE ${SCHEMA}.carried AS
       SELECT ${number}, ${this.#columns()} FROM ${SCHEMA}.ordered r WHERE is_last AND ${later}`,
    )
  }

  /** Frees what only further runs need. */
  async finish(): Promise<LedgerTotals> {
    for (const table of ['ordered', 'carried', 'existing', 'duplicates']) {
      await this.#run(`DROP TABLE IF EXISTS ${SCHEMA}.${table}`)
    }
    const perRun = new Int32Array(this.#options.runs.length)
    let [appended, corrections] = [0, 0]
    const counts = `SELECT run, count(*) AS n, count(*) FILTER (correction) AS replaced FROM ${SCHEMA}.appended GROUP BY run`
    for (const { run, n, replaced } of await this.#rows(counts)) {
      perRun[Number(run)] = Number(n)
      appended += Number(n)
      corrections += Number(replaced)
    }
    return {
      appended,
      corrections,
      unchanged: this.#accepted - appended,
      cut: this.#cut,
      rejectedCount: this.#rejectedCount,
      rejected: this.#rejected,
      perRun,
    }
  }

  async #createTables(): Promise<void> {
    const { columns, runs, numbers } = this.#options
    const fields = [
      ...columns.keys.map(({ type }, at) => `${this.#names.keys[at]} ${sqlType(type)}`),
      'e BIGINT',
      'deleted BOOLEAN',
      ...columns.features.map(({ type }, at) => `${this.#names.features[at]} ${sqlType(type)}`),
    ]
    await this.#run(`CREATE TABLE ${SCHEMA}.appended (run INTEGER, ${fields.join(', ')}, correction BOOLEAN)`)
    await this.#run(
      `CREATE TABLE ${SCHEMA}.runs (run INTEGER, reads_from BIGINT, reads_to BIGINT, created BIGINT)`,
    )
    const values = numbers.map((number) => {
      const { from, end, created } = runs[number]!
      return `(${number}, ${from}, ${end}, ${created})`
    })
    for (let from = 0; from < values.length; from += RUNS_PER_INSERT) {
      await this.#run(
        `INSERT INTO ${SCHEMA}.runs VALUES ${values.slice(from, from + RUNS_PER_INSERT).join(', ')}`,
      )
    }
  }

  async #loadExisting(): Promise<void> {
    const { columns, runs, existing, onePerKey } = this.#options
    const [first] = runs as readonly [Run, ...Run[]]
    const { eventTime, created, sequence, deleted } = TABLE_COLUMNS
    const named = [
      ...columns.keys.map(({ name }, at) => `${identifier(name)} AS ${this.#names.keys[at]}`),
      `epoch_us(${eventTime}) AS e`,
      `${deleted} AS deleted`,
      ...columns.features.map(({ name }, at) => `${identifier(name)} AS ${this.#names.features[at]}`),
    ]
    const paths = existing.map(({ localPath }) => localPath)
    await readingFiles(this.#database, paths, async () => {
      const table = await tableSql(this.#database, existing, columns.table)
      await this.#run(
        `CREATE TABLE ${SCHEMA}.existing AS
         SELECT ${named.join(', ')}, epoch_us(${created}) AS c
         FROM (${table}) WHERE ${eventTime} >= make_timestamptz(${first.from})
         QUALIFY row_number() OVER (PARTITION BY ${this.#names.identity.join(', ')} ORDER BY c DESC, ${sequence} DESC) = 1`,
      )
    })
    const known = onePerKey ? 'WHERE false' : ''
    await this.#run(
      `CREATE TABLE ${SCHEMA}.carried AS SELECT -1 AS run, ${this.#columns()} FROM ${SCHEMA}.existing r ${known}`,
    )
    if (onePerKey) return
    await this.#run(`DELETE FROM ${SCHEMA}.existing WHERE c <= ${first.created}`)
    const [row] = await this.#rows(`SELECT count(*) AS n FROM ${SCHEMA}.existing`)
    this.#shadows = Number(row?.['n']) > 0
  }

  /** Counts the rows that the view finds unfit, and keeps the first. */
  async #refuseUnfit(): Promise<{ readonly all: number; readonly invalid: number }> {
    const counts = { all: 0, invalid: 0 }
    let rejected = 0
    const reasons = `SELECT reason, count(*) AS n FROM ${SCHEMA}.checked WHERE NOT ok GROUP BY reason`
    for (const { reason, n } of await this.#rows(reasons)) {
      counts.all += Number(n)
      if (reason === 'invalid_value') counts.invalid = Number(n)
      if (reason === CUT) this.#cut += Number(n)
      else rejected += Number(n)
    }
    if (rejected > 0) {
      this.#rejectedCount += rejected
      await this.#keepRejected(
        `SELECT run, reason, at_fault, detail, row_json FROM ${SCHEMA}.checked WHERE NOT ok AND reason <> '${CUT}'`,
      )
    }
    return counts
  }

  async #keepRejected(select: string): Promise<void> {
    const left = LIMITS.quarantineRowsMax - this.#rejected.length
    if (left === 0) return
    const ordered = `${select} ORDER BY run, reason, row_json LIMIT ${left}`
    for (const { run, reason, at_fault: column, detail, row_json: row } of await this.#rows(ordered)) {
      this.#rejected.push({
        reason: String(reason),
        column: typeof column === 'string' ? column : undefined,
        ...(typeof detail === 'string' && { detail }),
        row: String(row),
        run: this.#options.runs[Number(run)]!.at,
      })
    }
  }

  /** Two rows of one run with one key and event time: neither is the run's answer. A row with an invalid feature counts. */
  async #refuseDuplicates(): Promise<void> {
    const { identity } = this.#names
    const same = ['run', ...identity].join(', ')
    const whole = identity.map((name) => `${name} IS NOT NULL`).join(' AND ')
    await this.#run(
      `CREATE OR REPLACE TABLE ${SCHEMA}.duplicates AS SELECT ${same} FROM ${SCHEMA}.checked
       WHERE ok OR (reason = 'invalid_value' AND ${whole}) GROUP BY ${same} HAVING count(*) > 1`,
    )
    const refused = `FROM ${SCHEMA}.checked SEMI JOIN ${SCHEMA}.duplicates USING (${same}) WHERE ok`
    const [row] = await this.#rows(`SELECT count(*) AS n ${refused}`)
    const count = Number(row?.['n'])
    this.#accepted -= count
    this.#rejectedCount += count
    if (count > 0) {
      await this.#keepRejected(
        `SELECT run, 'duplicate_in_run' AS reason, NULL AS at_fault, NULL AS detail, row_json ${refused}`,
      )
    }
  }

  /** Rows that can be appended and are no duplicates, as `r`. */
  #single(): string {
    const same = ['run', ...this.#names.identity].join(', ')
    return `SELECT r.* FROM (SELECT * FROM ${SCHEMA}.checked ANTI JOIN ${SCHEMA}.duplicates USING (${same}) WHERE ok) r`
  }

  /** What follows JOIN to meet rows `r` with the row of the table that stays the newest, as `x`. */
  #shadowing(): string {
    return `(SELECT runs.run AS of_run, existing.* FROM ${SCHEMA}.existing JOIN ${SCHEMA}.runs ON existing.c > runs.created) x
      ON x.of_run = r.run AND ${this.#sameIdentity()}`
  }

  async #settleShadowed(): Promise<void> {
    await this.#run(
      `INSERT INTO ${SCHEMA}.appended SELECT r.run, ${this.#columns()}, true
       FROM (${this.#single()}) r JOIN ${this.#shadowing()} WHERE ${this.#differs('r.', 'x.')}`,
    )
  }

  /** Puts each row behind the one before it; whether two of one run came together. */
  async #order(select: string): Promise<boolean> {
    const columns = ['run', ...this.#names.all].join(', ')
    const before = ['deleted', ...this.#names.features].map((name) => `lag(${name}) OVER w AS before_${name}`)
    await this.#run(
      `CREATE OR REPLACE TABLE ${SCHEMA}.ordered AS
       SELECT ${columns}, before, before IS NULL OR ${this.#differs('', 'before_')} AS changed, is_last FROM (
         SELECT ${columns}, ${before.join(', ')}, lag(run) OVER w AS before, lead(run) OVER w IS NULL AS is_last
         FROM (SELECT ${columns} FROM ${SCHEMA}.carried UNION ALL SELECT ${columns} FROM (${select}))
         WINDOW w AS (PARTITION BY ${this.#names.identity.join(', ')} ORDER BY run))
       WHERE changed OR is_last OR before = run`,
    )
    const [row] = await this.#rows(`SELECT count(*) AS n FROM ${SCHEMA}.ordered WHERE before = run`)
    return Number(row?.['n']) > 0
  }

  async #appendChanged(): Promise<void> {
    await this.#run(
      `INSERT INTO ${SCHEMA}.appended SELECT run, ${this.#columns()}, before IS NOT NULL
       FROM ${SCHEMA}.ordered r WHERE changed AND run >= 0`,
    )
  }

  /** Of rows that no later run can replace, those that differ from the table's. */
  async #appendLast(later: string): Promise<void> {
    await this.#run(
      `INSERT INTO ${SCHEMA}.appended SELECT r.run, ${this.#columns()}, x.e IS NOT NULL
       FROM ${SCHEMA}.ordered r LEFT JOIN ${SCHEMA}.existing x ON ${this.#sameIdentity()}
       WHERE r.is_last AND NOT (${later}) AND (x.e IS NULL OR ${this.#differs('r.', 'x.')})`,
    )
  }

  #columns(): string {
    return this.#names.all.map((name) => `r.${name}`).join(', ')
  }

  #sameIdentity(): string {
    return this.#names.identity.map((name) => `r.${name} = x.${name}`).join(' AND ')
  }

  #differs(a: string, b: string): string {
    const { features } = this.#options.columns
    const same = features.map(({ type }, at) => {
      const name = this.#names.features[at]!
      return sameBits(`${a}${name}`, `${b}${name}`, type)
    })
    return `NOT (${[`${a}deleted = ${b}deleted`, ...same].join(' AND ')})`
  }

  async #run(sql: string): Promise<void> {
    await run(this.#database.connection, sql, this.#call)
  }

  #rows(sql: string): Promise<Record<string, unknown>[]> {
    return queryRows(this.#database.connection, sql, this.#call)
  }
}

const RUNS_PER_INSERT = 10_000
