import assert from 'node:assert/strict'
import { test } from 'node:test'
import { similarNames } from './similar-names.ts'

test('names that may have been meant, the nearest first and three at most', () => {
  const names = ['delay_model', 'delay_models', 'fraud_model', 'delay', 'model_of_delay', 'x']
  assert.equal(similarNames('dealy_model', names), 'delay_model, delay_models')
  assert.equal(similarNames('delay_model', names), 'delay_model, delay_models, delay')
  assert.equal(similarNames('fraud', names), 'fraud_model')
  for (const far of ['', 'x', 'y', 'nothing', 'a'.repeat(1_000_000)])
    assert.equal(similarNames(far, ['z', ...names.slice(0, 5)]), undefined)
})
