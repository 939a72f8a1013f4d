import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { instant } from '../clock/instant.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import { emptySnapshot, nextSnapshot } from './next-snapshot.ts'
import { planApply } from './plan.ts'
import type { Snapshot } from './snapshot.ts'

const AT = instant(1_704_067_200_000_000)
const NUMBER = { kind: 'float64' }
const DEPRECATION = { after: '2026-12-31', replacement: 'orders@2' }

const user = { kind: 'entity', name: 'user', keys: [{ name: 'user_id', type: { kind: 'int64' } }] }
const orders = {
  kind: 'group',
  name: 'orders',
  entity: 'user',
  compute: { from: 'push' },
  features: [{ name: 'total', type: NUMBER }],
}
const newer = { ...orders, version: 2 }
const old = { ...orders, status: 'deprecated', deprecation: DEPRECATION }
const score = {
  kind: 'on_demand',
  name: 'score',
  inputs: [{ name: 'total', from: { group: 'orders', feature: 'total' } }],
  features: [{ name: 'score', type: NUMBER }],
  code: { module: 'score.ts', fingerprint: 'c0de' },
}
const direct = service('direct', 'orders', 'total', [{ model: 'fraud', version: '3', team: 'risk' }])
const indirect = service('indirect', 'score', 'score', [])

function service(name: string, group: string, feature: string, consumers: object[]): object {
  const features = [{ name: feature, group, feature, keys: { user_id: 'user_id' } }]
  return { kind: 'service', name, features, consumers }
}

function applied(...definitions: object[]): Snapshot {
  return nextSnapshot(emptySnapshot('p'), checkDefinitions(definitions), AT)
}

suite('deprecated groups in plans', () => {
  test('services that read one are named with the date, what to read instead, and their models', () => {
    const registered = new Map([['indirect', [{ model: 'm', version: '1', team: 'growth' }]]])
    const snapshot = { ...applied(user, orders, newer, score, direct, indirect), registered }
    const plan = planApply(snapshot, checkDefinitions([user, old, newer, score, direct, indirect]))
    assert.deepEqual(plan.warnings, [
      { service: 'direct', group: 'orders@1', ...DEPRECATION, consumers: ['fraud@3 (risk)'] },
      { service: 'indirect', group: 'orders@1', ...DEPRECATION, consumers: ['m@1 (growth)'] },
    ])
    assert.equal(plan.severity, 'safe')
    assert.deepEqual(
      plan.changes.map(({ id, reasons }) => [id, ...reasons]),
      [['group/orders@1', 'status changes', 'deprecation changes']],
    )
  })

  test('it is said for as long as it holds, and no longer', () => {
    const snapshot = applied(user, old, newer, direct)
    const again = planApply(snapshot, checkDefinitions([user, old, newer, direct]))
    assert.deepEqual(again.changes, [])
    assert.equal(again.warnings.length, 1)
    assert.deepEqual(planApply(snapshot, checkDefinitions([user, old, newer])).warnings, [])
  })

  test('a group may be deprecated without a date', () => {
    const plan = planApply(applied(), checkDefinitions([user, { ...orders, status: 'deprecated' }, direct]))
    assert.deepEqual(plan.warnings, [{ service: 'direct', group: 'orders@1', consumers: ['fraud@3 (risk)'] }])
  })

  for (const [what, group, code] of [
    ['of an active group', { ...old, status: 'active' }, 'invalid_definition'],
    ['without a date', { ...old, deprecation: { replacement: 'orders@2' } }, 'invalid_definition'],
    ['on a day that there is not', { ...old, deprecation: { after: '2026-02-29' } }, 'invalid_definition'],
    ['on something else', { ...old, deprecation: { after: 'soon' } }, 'invalid_definition'],
    [
      'for a group without a version',
      { ...old, deprecation: { ...DEPRECATION, replacement: 'orders' } },
      'invalid_definition',
    ],
    [
      'for a group that there is not',
      { ...old, deprecation: { ...DEPRECATION, replacement: 'orders@3' } },
      'unknown_reference',
    ],
    ['for itself', { ...old, deprecation: { ...DEPRECATION, replacement: 'orders@1' } }, 'unknown_reference'],
  ] as const) {
    test(`a deprecation ${what} is refused`, () => {
      assert.throws(() => checkDefinitions([user, newer, group]), { code })
    })
  }

  test('a leap day is a day', () => {
    checkDefinitions([user, newer, { ...old, deprecation: { after: '2028-02-29' } }])
  })
})
