import assert from 'node:assert/strict'
import { test } from 'node:test'
import { declaredMembers } from './declared-members.ts'

test('what can be set is read with its sentence, whatever lines it takes', () => {
  const source = [
    'export interface Options {',
    '  /**',
    '   * Two',
    '   * lines.',
    '   */',
    '  readonly first?: {',
    '    readonly inner: number',
    '  }',
    '  readonly second: string',
    '  /** Called. */',
    '  third(): void',
    '}',
  ].join('\n')
  const members = declaredMembers(source, 'Options').map(({ name, isOptional, says }) => ({
    name,
    isOptional,
    says,
  }))
  assert.deepEqual(members, [
    { name: 'first', isOptional: true, says: 'Two lines.' },
    { name: 'second', isOptional: false, says: '' },
    { name: 'third', isOptional: false, says: 'Called.' },
  ])
  assert.throws(() => declaredMembers(source, 'Others'), /Others is not declared/)
})
