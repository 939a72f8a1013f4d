/**
 * The order of text by code point, in which a character beyond the basic plane comes after all within it; JavaScript's own
 * order, by UTF-16 code unit, puts it before U+E000 to U+FFFF. Less than 0, 0 or more than 0.
 */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)]
    // At the first unit that differs: surrogates stand above all others, and among themselves in their own order.
    if (one !== other) return rank(one) - rank(other)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x2800 : unit
}

/** Whether JavaScript orders this text and any other as {@link compareText} does: without units from U+D800 on. */
export function isOrderedByUnit(text: string): boolean {
  return !/[\ud800-\uffff]/.test(text)
}

/** The order of bytes as unsigned numbers, a beginning before what it begins. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const difference = a[at]! - b[at]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** The order of numbers by their exact value, a bigint among them too; NaN is equal to itself and above all others. */
export function compareNumbers(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a >= b) return 0
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}
