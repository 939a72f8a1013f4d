/**
 * Whether two plain values have the same canonical JSON, without writing it: properties in any order, those that are
 * undefined as if they were absent. One object is the same as itself at no cost.
 */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    for (let at = 0; at < a.length; at++) if (!sameJson(a[at], b[at])) return false
    return true
  }
  const [one, other] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>]
  let count = 0
  for (const name of Object.keys(one)) {
    const value = one[name]
    if (value === undefined) continue
    count++
    if (!Object.hasOwn(other, name) || !sameJson(value, other[name])) return false
  }
  for (const name of Object.keys(other)) if (other[name] !== undefined) count--
  return count === 0
}
