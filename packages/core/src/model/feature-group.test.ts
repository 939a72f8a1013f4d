import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupId } from './definition.ts'
import { entity } from './entity.ts'
import { featureGroup } from './feature-group.ts'
import { featureService } from './feature-service.ts'
import { project } from './project.ts'
import { float64, string } from './typed-field.ts'

const user = entity('user', { keys: { user: string() } })
const features = { total: float64() }

test('a deprecated group names its replacement by the group itself, which comes along in the project', () => {
  const newer = featureGroup('orders', { entity: user, version: 2, features })
  const deprecation = { after: '2030-06-30', replacement: newer }
  const old = featureGroup('orders', { entity: user, features, status: 'deprecated', deprecation })
  assert.deepEqual(old.definition.deprecation, { after: '2030-06-30', replacement: 'orders@2' })
  const { definitions } = project('shop', [featureService('model', { features: [old] })])
  const groups = definitions.flatMap((each) => (each.kind === 'group' ? groupId(each) : []))
  assert.deepEqual(groups, ['orders@1', 'orders@2'])
})

test('or by its name; a group without a deprecation has none in its JSON', () => {
  const deprecation = { after: '2030-06-30', replacement: 'orders@2' }
  const old = featureGroup('orders', { entity: user, features, status: 'deprecated', deprecation })
  assert.deepEqual(old.definition.deprecation, deprecation)
  assert.ok(!('deprecation' in featureGroup('orders', { entity: user, features }).definition))
})
