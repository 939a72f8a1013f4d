import { type Instant, INSTANT_MAX, INSTANT_MIN, MICROS, type Stamp } from '@asof/core'
import * as fc from 'fast-check'

/** A day near which many instants lie, so that ties and neighbours one microsecond apart are common. */
const CROWDED = 1_704_067_200_000_000

/** Any instant between 1900 and 2200, the bounds, before 1970, and crowds of equal and adjacent ones. */
export function instantArb(): fc.Arbitrary<Instant> {
  return fc
    .oneof(
      { weight: 3, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => CROWDED + step) },
      { weight: 3, arbitrary: fc.integer({ min: -48, max: 48 }).map((hour) => CROWDED + hour * MICROS.hour) },
      { weight: 1, arbitrary: fc.constantFrom(INSTANT_MIN, INSTANT_MAX, -1, 0, 1, -MICROS.day) },
      { weight: 1, arbitrary: fc.integer({ min: INSTANT_MIN, max: INSTANT_MAX }) },
    )
    .map((micros) => micros as Instant)
}

/** A stamp: event time, created time and a sequence, negative for imported history. */
export function stampArb(): fc.Arbitrary<Stamp> {
  const far = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 2 ** 32, -(2 ** 32), 2 ** 32 - 1, 2 ** 31]
  return fc
    .tuple(
      instantArb(),
      instantArb(),
      fc.oneof(fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger(), fc.constantFrom(...far)),
    )
    .map(([e, c, s]) => ({ e, c, s }))
}
