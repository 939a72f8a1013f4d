import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { instant } from '../clock/instant.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import { resolveFeature } from './feature-ref.ts'
import { emptySnapshot, nextSnapshot } from './next-snapshot.ts'

const user = { kind: 'entity', name: 'user', keys: [] }
const orders = {
  kind: 'group',
  name: 'orders',
  entity: 'user',
  compute: { from: 'push' },
  features: [{ name: 'total', type: { kind: 'int32' } }],
}
const context = {
  kind: 'on_demand',
  name: 'context',
  inputs: [],
  features: [{ name: 'ratio', type: { kind: 'float64' } }],
  code: { module: 'm', fingerprint: 'f' },
}
const snapshot = nextSnapshot(
  emptySnapshot('shop'),
  checkDefinitions([
    user,
    orders,
    { ...orders, version: 9 },
    { ...orders, version: 10 },
    { ...orders, version: 11, status: 'staging' },
    { ...orders, version: 12, status: 'deprecated' },
    { ...orders, name: 'draft', status: 'staging' },
    context,
    { ...context, version: 2 },
  ]),
  instant(0),
)

function version(reference: string): number {
  const found = resolveFeature(snapshot, reference)
  return found.kind === 'group' ? found.group.definition.version : found.group.version
}

suite('a reference to a feature', () => {
  test('without a version means the highest active one', () => {
    assert.equal(version('orders:total'), 10)
    assert.equal(version('context:ratio'), 2)
    assert.equal(version('shop.orders:total'), 10)
  })

  test('with a version means that one, whatever its status', () => {
    assert.equal(version('orders@1:total'), 1)
    assert.equal(version('orders@11:total'), 11)
    assert.equal(version('shop.draft@1:total'), 1)
    assert.deepEqual(resolveFeature(snapshot, 'context@1:ratio').feature, {
      name: 'ratio',
      type: { kind: 'float64' },
    })
  })

  test('to nothing says what there is', () => {
    assert.throws(() => resolveFeature(snapshot, 'orders@3:total'), {
      kind: 'not_found',
      message: /versions=`1, 9, 10, 11, 12`/,
    })
    assert.throws(() => resolveFeature(snapshot, 'draft:total'), {
      kind: 'not_found',
      message: /no version of the group is active/,
    })
    assert.throws(() => resolveFeature(snapshot, 'orders:nope'), { code: 'feature_not_found' })
    assert.throws(() => resolveFeature(snapshot, 'nope:total'), { code: 'group_not_found' })
    assert.throws(() => resolveFeature(snapshot, 'bank.orders:total'), { code: 'project_not_found' })
    for (const text of [
      'orders',
      'orders:',
      ':total',
      'orders@:total',
      'Orders:total',
      'a.b.c:d',
      'orders:total ',
      'orders@1.5:total',
    ]) {
      assert.throws(() => resolveFeature(snapshot, text), { code: 'invalid_reference' }, text)
    }
  })
})
