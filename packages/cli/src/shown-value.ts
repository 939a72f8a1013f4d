import { valueToJson, type FeatureType, type Value } from '@asof/core'

/** Text that cannot move the cursor, colour or rename a terminal: control characters become escapes. */
export function plainText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** A value in one line of at most `width` characters. */
export function shownValue(type: FeatureType, value: Value | null, width = 48): string {
  if (value === null) return 'null'
  const json = valueToJson(type, value)
  return shortened(plainText(typeof json === 'object' ? JSON.stringify(json) : String(json)), width)
}

/** A text cut to `width` characters. */
export function shortened(text: string, width: number): string {
  const characters = Array.from(text.slice(0, 2 * width + 2))
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`
}

/** Whether values of a type are read as figures, and so stand to the right. */
export function isFigure(type: FeatureType): boolean {
  return ['int32', 'int64', 'float32', 'float64'].includes(type.kind)
}
