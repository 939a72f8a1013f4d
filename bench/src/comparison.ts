/** What one side measured in one turn, by metric. */
export type Sample = Readonly<Record<string, number>>

/** One way of doing what a benchmark is about: ours, or a rival's. */
export interface Side {
  readonly name: string
  /** One turn, long enough to be measured. */
  turn(): Sample | Promise<Sample>
}

/** One quantity of a comparison. */
export interface Metric {
  readonly name: string
  readonly unit: 's' | 'us' | 'bytes' | 'per_second'
  /** Shown first, and what the ratio is made of. */
  readonly main?: true
}

/** All samples of one side, in the order of the turns. */
export interface SideSamples {
  readonly name: string
  readonly samples: readonly Sample[]
}

/** A finished comparison; the first side is ours. */
export interface Comparison {
  readonly title: string
  /** Sizes and settings that decide the figures. */
  readonly settings: Readonly<Record<string, string | number>>
  readonly metrics: readonly Metric[]
  readonly sides: readonly SideSamples[]
  /** What to reach: the main metric of a rival must be so many times ours. */
  readonly target?: { readonly rival: string; readonly atLeast: number }
  /** Facts that hold for the whole comparison. */
  readonly notes: readonly string[]
}

/** How a benchmark is run. */
export interface Setting {
  /** A tenth of the size. */
  readonly small: boolean
  /** Says what goes on, in one line. */
  readonly say: (line: string) => void
}

/** Measures something, side by side. */
export type Benchmark = (setting: Setting) => Promise<readonly Comparison[]>

/**
 * Lets sides take turns (A B A B …), so that what slows the machine down slows all of them.
 *
 * @param rounds turns of each side that count; `warmUp` turns before them do not
 */
export async function takeTurns(
  sides: readonly Side[],
  { rounds, warmUp = 0 }: { readonly rounds: number; readonly warmUp?: number },
): Promise<SideSamples[]> {
  const all = sides.map(({ name }) => ({ name, samples: [] as Sample[] }))
  for (let round = -warmUp; round < rounds; round++) {
    for (const [index, side] of sides.entries()) {
      const sample = await side.turn()
      if (round >= 0) all[index]!.samples.push(sample)
    }
  }
  return all
}

/** The middle of some numbers; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  )
}

/** A quantile of sorted numbers, between neighbours in proportion; NaN of none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN
  const place = (sorted.length - 1) * share
  const below = Math.floor(place)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  return low + (high - low) * (place - below)
}

/** The median of one metric over the turns of a side. */
export function medianOf({ samples }: SideSamples, metric: string): number {
  return median(samples.flatMap((sample) => sample[metric] ?? []))
}

/** How many times as much of the main metric a side needs as ours does; more is better for us. */
export function ratioToOurs(comparison: Comparison, side: SideSamples): number {
  const main = mainMetric(comparison)
  const [ours] = comparison.sides
  const [a, b] = [medianOf(ours!, main.name), medianOf(side, main.name)]
  return main.unit === 'per_second' ? a / b : b / a
}

/** The metric that decides. */
export function mainMetric({ metrics }: Comparison): Metric {
  return metrics.find(({ main }) => main) ?? metrics[0]!
}

/** Whether the target is reached; undefined where there is none. */
export function reachesTarget(comparison: Comparison): boolean | undefined {
  const { target, sides } = comparison
  if (target === undefined) return undefined
  const rival = sides.find(({ name }) => name === target.rival)
  return rival !== undefined && ratioToOurs(comparison, rival) >= target.atLeast
}
