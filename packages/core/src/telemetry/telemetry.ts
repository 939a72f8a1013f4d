/** Where counts and durations go. Labels are names only: never keys, never feature values. */
export interface Telemetry {
  /** Adds to a counter. */
  count(name: string, by: number, labels?: Readonly<Record<string, string>>): void
  /** Records one measurement, in the unit that the name ends in (`_seconds`, `_rows`). */
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void
}

/** Drops everything. */
export const silentTelemetry: Telemetry = { count() {}, observe() {} }
