import { formatInstant, MICROS, type Instant } from '@asof/core'

/** Texts of the files of the sample: CSV with a header. */
export interface SampleShop {
  readonly payments: string
  readonly profiles: string
  /** Payments with what became of them, to learn from. */
  readonly labels: string
}

const CUSTOMERS = 40
const DAYS = 7
/** Labels begin when there is a past to look at. */
const FIRST_LABEL_DAY = 1
const LABELED = 0.4
const FRAUDS = 0.04
const COUNTRIES = ['AT', 'BR', 'CA', 'DE', 'FR', 'JP', 'NZ', 'US']

/**
 * A week of made-up payments of a shop that ends with a full hour, so that what is looked up is recent. The same `until` gives
 * the same bytes.
 *
 * @example
 * ```ts
 * sampleShop(1_767_225_600_000_000 as Instant).payments.split('\n')[0] // 'payment,paid_at,customer,amount'
 * ```
 */
export function sampleShop(until: Instant): SampleShop {
  const random = numbers(20010101)
  const end = Math.floor(until / MICROS.hour) * MICROS.hour
  const start = end - DAYS * MICROS.day
  const payments: {
    readonly at: number
    readonly customer: string
    readonly amount: string
    readonly fraud: boolean
  }[] = []
  const profiles: { readonly at: number; readonly text: string }[] = []
  for (let number = 1; number <= CUSTOMERS; number++) {
    const customer = `c${String(number).padStart(3, '0')}`
    const usual = Math.exp(2.5 + 2 * random())
    const perDay = 2 + 6 * random()
    const country = COUNTRIES[Math.floor(random() * COUNTRIES.length)]!
    profiles.push({ at: start, text: `${customer},${country},${random() < 0.6}` })
    if (random() < 0.25)
      profiles.push({ at: instantIn(start, end, random()), text: `${customer},${country},true` })
    for (let each = 0; each < perDay * DAYS; each++) {
      const fraud = random() < FRAUDS
      const amount = usual * (0.4 + 1.2 * random()) * (fraud ? 3 + 6 * random() : 1)
      payments.push({ at: instantIn(start, end, random()), customer, amount: amount.toFixed(2), fraud })
    }
  }
  payments.sort((a, b) => a.at - b.at)
  profiles.sort((a, b) => a.at - b.at)
  const labels = payments.filter(({ at }) => at >= start + FIRST_LABEL_DAY * MICROS.day && random() < LABELED)
  return {
    payments: csvText(
      'payment,paid_at,customer,amount',
      payments.map(({ at, customer, amount }, index) => `${index + 1},${timeText(at)},${customer},${amount}`),
    ),
    profiles: csvText(
      'changed_at,customer,country,verified',
      profiles.map(({ at, text }) => `${timeText(at)},${text}`),
    ),
    labels: csvText(
      'customer,asked_at,amount,fraud',
      labels.map(({ at, customer, amount, fraud }) => `${customer},${timeText(at)},${amount},${fraud}`),
    ),
  }
}

function instantIn(start: number, end: number, share: number): number {
  return start + Math.floor((share * (end - start)) / MICROS.second) * MICROS.second
}

function timeText(at: number): string {
  return formatInstant(at as Instant).replace('.000000Z', 'Z')
}

function csvText(header: string, lines: readonly string[]): string {
  return `${[header, ...lines].join('\n')}\n`
}

/** Numbers in [0, 1) that are the same on every machine (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
