/** Names and values that tell one series of a family from another: names of the registry, of routes, of codes. */
export type Labels = Readonly<Record<string, string>>

/** Series of one family beyond this stand together under labels that say `other`. */
export const SERIES_MAX = 2_000

/** What stands in place of a label's value when a family has too many series. */
export const OTHER = 'other'

/** Latencies in seconds, from 50 µs. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** Sizes: of bodies in bytes, of pushes in rows. */
export const SIZE_BUCKETS: readonly number[] = [
  1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
]

/**
 * Series of one name: made at first sight of their labels, bounded in number, written as Prometheus text.
 *
 * Adding to one costs a look into a map, because it happens several times in each request.
 */
abstract class Family<Series> {
  readonly name: string
  readonly #kind: string
  readonly #help: string
  readonly #series = new Map<string, { readonly labels: Labels; readonly series: Series }>()

  constructor(name: string, kind: string, help: string) {
    this.name = name
    this.#kind = kind
    this.#help = help
  }

  protected abstract fresh(): Series
  protected abstract lines(labels: string, series: Series): readonly string[]

  protected at(labels: Labels): Series {
    const key = keyOf(labels)
    const known = this.#series.get(key)
    if (known !== undefined) return known.series
    const isFull = this.#series.size >= SERIES_MAX
    const kept = isFull ? Object.fromEntries(Object.keys(labels).map((name) => [name, OTHER])) : { ...labels }
    const place = isFull ? keyOf(kept) : key
    const entry = this.#series.get(place) ?? { labels: kept, series: this.fresh() }
    this.#series.set(place, entry)
    return entry.series
  }

  /** The family as Prometheus text. */
  text(): string {
    const lines = [`# HELP ${this.name} ${this.#help}`, `# TYPE ${this.name} ${this.#kind}`]
    for (const { labels, series } of this.#series.values())
      lines.push(...this.lines(labelText(labels), series))
    return `${lines.join('\n')}\n`
  }
}

/** Counts up. */
export class CounterFamily extends Family<{ value: number }> {
  constructor(name: string, help: string) {
    super(name, 'counter', help)
  }

  add(by: number, labels: Labels): void {
    this.at(labels).value += by
  }

  protected fresh(): { value: number } {
    return { value: 0 }
  }

  protected lines(labels: string, { value }: { value: number }): readonly string[] {
    return [`${this.name}${braced(labels)} ${value}`]
  }
}

/** What was measured, by buckets. */
interface Measured {
  readonly counts: Float64Array
  sum: number
}

/** Measures: how many lay at or below each bound, and their sum. */
export class HistogramFamily extends Family<Measured> {
  readonly #bounds: readonly number[]

  constructor(name: string, help: string, bounds: readonly number[]) {
    super(name, 'histogram', help)
    this.#bounds = bounds
  }

  observe(value: number, labels: Labels): void {
    const measured = this.at(labels)
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    measured.counts[bucket]! += 1
    measured.sum += value
  }

  protected fresh(): Measured {
    return { counts: new Float64Array(this.#bounds.length + 1), sum: 0 }
  }

  protected lines(labels: string, { counts, sum }: Measured): readonly string[] {
    const comma = labels === '' ? '' : ','
    let total = 0
    const lines = [...counts].map((count, bucket) => {
      total += count
      return `${this.name}_bucket{${labels}${comma}le="${this.#bounds[bucket] ?? '+Inf'}"} ${total}`
    })
    return [
      ...lines,
      `${this.name}_sum${braced(labels)} ${sum}`,
      `${this.name}_count${braced(labels)} ${total}`,
    ]
  }
}

/** One value of a gauge, as it stands when it is asked for. */
export interface GaugeValue {
  readonly labels?: Labels
  readonly value: number
}

/** A gauge as Prometheus text; of more values than a family may have, the greatest of those left out stands for them. */
export function gaugeText(name: string, help: string, values: readonly GaugeValue[]): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`]
  for (const { labels = {}, value } of values.slice(0, SERIES_MAX)) {
    lines.push(`${name}${braced(labelText(labels))} ${value}`)
  }
  const rest = values.slice(SERIES_MAX)
  if (rest.length > 0) {
    const labels = Object.fromEntries(Object.keys(rest[0]!.labels ?? {}).map((label) => [label, OTHER]))
    lines.push(
      `${name}${braced(labelText(labels))} ${rest.reduce((most, { value }) => Math.max(most, value), -Infinity)}`,
    )
  }
  return `${lines.join('\n')}\n`
}

function keyOf(labels: Labels): string {
  let key = ''
  for (const name in labels) key += `${name}\u0000${labels[name]}\u0001`
  return key
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
    )
    .join(',')
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`
}
