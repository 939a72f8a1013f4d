import { bool, bytes, float64, int32, int64, list, string, timestamp } from './typed-field.ts'
import { col, columns } from './where.ts'
import type { Condition, NumberTerm } from './where.ts'

// This file is compiled, never run: a wrong type is an error of `tsc`, and so is an `@ts-expect-error` without one.

function where(..._conditions: readonly Condition[]): void {}

const flight = columns({
  flag: bool(),
  delay: int32(),
  id: int64(),
  counted: int64({ as: 'number' }),
  price: float64(),
  carrier: string(),
  raw: bytes(),
  at: timestamp(),
  words: list(string()),
})

where(
  flight.flag,
  flight.delay.gt(15).and(flight.carrier.in(['AA', 'DL'])),
  flight.id.eq(1n).or(flight.id.eq(1), flight.id.eq(flight.price)),
  flight.counted.plus(1).times(flight.price).le(2n),
  flight.raw.lt(Uint8Array.of(1)),
  flight.at.ge(0n).not(),
  flight.words.isNull(),
  flight.flag.eq(flight.delay.isNotNull()),
  col('delay', int32()).gt(15),
  col('anything').gt('x'),
  col('anything').gt(flight.at),
  flight.carrier.eq(col('anything')),
  col('anything').plus(1).gt(col('other').dividedBy(2)),
  col('anything').and(flight.flag),
  flight.flag.and(col('anything')),
)
where(col('flag'))
const sum: NumberTerm = flight.delay.plus(flight.price)
where(sum.gt(0))

// @ts-expect-error no such column
where(flight.nope)
// @ts-expect-error a number is no condition
where(flight.delay)
// @ts-expect-error a text is no condition
where(flight.carrier)
// @ts-expect-error a number with a text
flight.delay.gt('15')
// @ts-expect-error a text with a number
flight.carrier.eq(1)
// @ts-expect-error a list of another type
flight.carrier.in(['AA', 1])
// @ts-expect-error columns of different kinds
flight.delay.eq(flight.carrier)
// @ts-expect-error an instant is a bigint of microseconds
flight.at.gt(0)
// @ts-expect-error an instant is no number
flight.at.gt(flight.id)
// @ts-expect-error nothing is computed with instants
flight.at.plus(1n)
// @ts-expect-error nothing is computed with texts
flight.carrier.plus('x')
// @ts-expect-error a computed number with a text
flight.delay.plus('1')
// @ts-expect-error null is asked for with isNull()
flight.delay.eq(null)
// @ts-expect-error lists are not compared
flight.words.eq('a')
// @ts-expect-error only conditions are joined
flight.delay.and(flight.flag)
// @ts-expect-error only conditions are joined
flight.flag.and(flight.delay)
// @ts-expect-error an expression is made by the builders
where({ kind: 'column', name: 'flag' })
// @ts-expect-error a typed column is checked like one of a schema
col('delay', int32()).eq('x')
