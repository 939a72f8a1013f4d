import type { KeyType, KeyValues } from '@asof/core'
import * as fc from 'fast-check'
import { scalarValueArb } from './value-arb.ts'

/**
 * Keys of the given types, without nulls: texts made of what separates and encloses in an encoded key are common,
 * and so are equal keys.
 */
export function keyArb(types: readonly KeyType[]): fc.Arbitrary<KeyValues> {
  return fc.tuple(...types.map(keyPartArb))
}

function keyPartArb(type: KeyType): ReturnType<typeof scalarValueArb> {
  if (type.kind === 'string') return fc.oneof(separatorsArb(), scalarValueArb(type))
  if (type.kind === 'bytes') {
    return fc.oneof(
      separatorsArb().map((text) => new TextEncoder().encode(text)),
      scalarValueArb(type),
    )
  }
  return scalarValueArb(type)
}

function separatorsArb(): fc.Arbitrary<string> {
  const unit = fc.constantFrom(
    ':',
    '{',
    '}',
    '%',
    '/',
    '\0',
    '\n',
    'a',
    '1',
    '3',
    'A',
    ' ',
    '+',
    "'",
    '(',
    '*',
    '!',
  )
  return fc.string({ unit, maxLength: 5 })
}
