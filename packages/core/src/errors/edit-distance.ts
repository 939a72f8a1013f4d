/**
 * How many letters of one text must be inserted, left out, replaced or swapped with their neighbour to make the other:
 * the restricted Damerau-Levenshtein distance.
 *
 * @param max beyond it the answer is `max + 1`, which is quicker than the true one
 * @example
 * ```ts
 * editDistance('dealy', 'delay', 2) // 1
 * ```
 */
export function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1
  let start = 0
  let endA = a.length
  let endB = b.length
  while (start < endA && start < endB && a.charCodeAt(start) === b.charCodeAt(start)) start++
  while (endA > start && endB > start && a.charCodeAt(endA - 1) === b.charCodeAt(endB - 1)) {
    endA--
    endB--
  }
  const width = endB - start
  if (endA === start || width === 0) return Math.min(max + 1, Math.max(endA - start, width))
  let beforeLast = new Uint16Array(width + 1)
  let last = Uint16Array.from({ length: width + 1 }, (_, at) => at)
  let row = new Uint16Array(width + 1)
  for (let i = 1; i <= endA - start; i++) {
    row[0] = i
    let least = i
    const letter = a.charCodeAt(start + i - 1)
    for (let j = 1; j <= width; j++) {
      const other = b.charCodeAt(start + j - 1)
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (letter === other ? 0 : 1))
      const swapped =
        i > 1 && j > 1 && letter === b.charCodeAt(start + j - 2) && other === a.charCodeAt(start + i - 2)
      if (swapped) best = Math.min(best, beforeLast[j - 2]! + 1)
      row[j] = best
      least = Math.min(least, best)
    }
    // The row before is at least the limit then, and a swap from there is one mistake more.
    if (least > max) return max + 1
    ;[beforeLast, last, row] = [last, row, beforeLast]
  }
  return Math.min(max + 1, last[width]!)
}

/** How many mistakes are forgiven in a word of so many letters: none below 4, one up to 7, two beyond. */
export function mistakesForgiven(letters: number): number {
  return letters < 4 ? 0 : letters < 8 ? 1 : 2
}
