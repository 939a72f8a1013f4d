import * as fc from 'fast-check'

/**
 * Floats that are hard to sum: of every size, near each other and near the ends of the range, cancelling,
 * subnormal, and now and then a NaN or an infinity: seldom, since one of them hides what else is wrong with a
 * sum.
 *
 * @param bits 64 by default; 32 gives what a float32 holds
 */
export function awkwardFloatArb(bits: 32 | 64 = 64): fc.Arbitrary<number> {
  const [greatest, least, precision] = bits === 64 ? [1023, -1074, 53] : [127, -149, 24]
  const max = (2 - 2 ** (1 - precision)) * 2 ** greatest
  const sign = fc.constantFrom(1, -1)
  const power = fc
    .tuple(fc.integer({ min: least, max: greatest }), sign)
    .map(([exponent, sign]) => sign * 2 ** exponent)
  const any =
    bits === 64
      ? fc.double({ noNaN: true, noDefaultInfinity: true })
      : fc.float({ noNaN: true, noDefaultInfinity: true })
  const everyday = fc.integer({ min: -1_000_000, max: 1_000_000 }).map((cents) => cents / 100)
  const ends = fc
    .tuple(
      sign,
      fc.constantFrom(
        max,
        max / 2,
        2 ** greatest,
        2 ** (greatest - 1),
        2 ** least,
        2 ** least * 3,
        0,
        1,
        0.1,
      ),
    )
    .map(([sign, size]) => sign * size)
  const notFinite = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
  const float = fc.oneof(
    { weight: 15, arbitrary: power },
    { weight: 15, arbitrary: any },
    { weight: 15, arbitrary: everyday },
    { weight: 15, arbitrary: ends },
    { weight: 1, arbitrary: notFinite },
  )
  return bits === 64 ? float : float.map(Math.fround)
}
