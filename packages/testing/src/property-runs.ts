/**
 * How many cases a property-based test runs, and from which seed: few while developing, many in CI
 * (`ASOF_PROPERTY_RUNS`), with one fixed seed and, where `ASOF_PROPERTY_SEED` names one, a fresh one.
 *
 * @param share this property's part of the whole number of runs, 1 by default
 */
export function propertyRuns(share = 1): { numRuns: number; seed: number } {
  const runs = Number(process.env['ASOF_PROPERTY_RUNS'] ?? 200)
  return {
    numRuns: Math.max(1, Math.round(runs * share)),
    seed: Number(process.env['ASOF_PROPERTY_SEED'] ?? 20010101),
  }
}
