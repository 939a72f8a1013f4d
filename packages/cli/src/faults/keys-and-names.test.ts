// Keys and names made to collide, to escape, or to mean something to JavaScript; rows that are partial, and requests that are empty.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  entity,
  featureGroup,
  featureService,
  float64,
  int32,
  int64,
  jsonl,
  map,
  parseDefinitions,
  project,
  string,
  type FeatureType,
} from '@asof/core'
import { codeOf, NOON, openFaultStore, refusal, SECOND, type FaultStore } from './fault-store.ts'

const pair = entity('pair', { keys: { left: string(), right: string() } })
const text = entity('text', { keys: { id: string() } })
const number = entity('number', { keys: { id: int64() } })
const lines = jsonl('lines', { path: 'lines.jsonl', eventTime: 'at', created: { delay: '0s' } })
const pairs = featureGroup('pairs', { entity: pair, features: { n: int32() } })
const filePairs = featureGroup('file_pairs', { entity: pair, source: lines, features: { n: int32() } })
const texts = featureGroup('same', { entity: text, features: { n: int32() } })
const numbers = featureGroup('same', { entity: number, version: 2, features: { n: int32() } })
const bags = featureGroup('bags', {
  entity: text,
  features: { zebra: map(int32()), ant: float64(), mule: int32({ default: 9 }) },
})
const additive = featureGroup('additive', {
  entity: text,
  features: { n: int32() },
  unknownColumns: 'additive',
})
const pairModel = featureService('pair_model', { features: [pairs] })
const fileModel = featureService('file_model', { features: [filePairs] })
const textModel = featureService('text_model', { features: [texts] })
const numberModel = featureService('number_model', { features: [numbers] })
const bagModel = featureService('bag_model', { features: [bags.pick('mule', 'zebra', 'ant')] })
const shop = project('shop', [pairModel, fileModel, textModel, numberModel, bagModel, additive])

let faults: FaultStore
before(async () => {
  faults = await openFaultStore(shop)
  await faults.store.apply()
})
after(async () => await faults[Symbol.asyncDispose]())

const E = NOON - SECOND
const STRING: FeatureType = { kind: 'string' }
const TIME: FeatureType = { kind: 'timestamp' }

/** Parts of keys that some store has mistaken for another, or for syntax. */
const PARTS = [
  '',
  ' ',
  'a',
  'a:b',
  'b:c',
  'c',
  ':',
  '::',
  '{a}',
  '}',
  '{',
  '/',
  '../..',
  '%',
  '%3A',
  '%3a',
  'a%3Ab',
  '\\',
  '\0',
  'a\0',
  '\n',
  '\r\n',
  '"',
  "'; DROP TABLE t; --",
  '😀',
  '\u{10FFFF}',
  '\u00e9',
  'e\u0301',
  '1',
  '01',
  '1.0',
  'null',
  'undefined',
  'NaN',
  '__proto__',
  'constructor',
  'toString',
  'then',
  '\ufeff',
  '*',
  '=1+1',
  '|',
  '\u2028',
]

test('B16: keys that look alike are never each other, pushed or from a file, served or trained', async () => {
  const keys: (readonly [string, string])[] = []
  for (const [index, part] of PARTS.entries()) {
    for (const other of [PARTS[(index * 7 + 3) % PARTS.length]!, part]) keys.push([part, other])
  }
  // The same text once the parts are joined by most separators.
  for (const by of [':', '', '/', '\0', '%']) keys.push([`a${by}b`, 'c'], ['a', `b${by}c`])
  const distinct = [...new Map(keys.map((key) => [JSON.stringify(key), key])).values()]
  const rows = distinct.map(([left, right], n) => ({ left, right, n, event_timestamp: E }))
  await faults.store.push(pairs, rows)
  await faults.write(
    'lines.jsonl',
    rows.map(({ left, right, n }) => ({ left, right, n, at: '2024-06-01T11:00:00Z' })),
  )
  assert.deepEqual((await faults.store.materialize(filePairs)).reasons, {})
  await faults.store.drain()
  faults.clock.now += SECOND
  const questions = distinct.map(([left, right]) => ({ keys: { left, right } }))
  const expected = distinct.map((_, n) => n)
  for (const service of [pairModel, fileModel]) {
    const now = await faults.store.getMany(service, questions)
    assert.deepEqual(
      now.map((each) => each.n),
      expected,
    )
    const past = await faults.store.getMany(service, questions, { asOf: now[0]!.$at })
    assert.deepEqual(
      past.map((each) => each.n),
      expected,
    )
    const { rows: trained } = await faults.train(service, {
      left: [STRING, distinct.map(([left]) => left)],
      right: [STRING, distinct.map(([, right]) => right)],
      at: [TIME, distinct.map(() => BigInt(now[0]!.$at))],
    })
    assert.deepEqual(
      trained.map((each) => each['n']),
      expected,
    )
  }
  assert.equal((await faults.online('pairs')).size, distinct.length)
})

test('B16: the number 1 and the text "1" are two entities, also under one group name', async () => {
  await faults.store.push(texts, [{ id: '1', n: 1, event_timestamp: E }])
  await faults.store.push(numbers, [{ id: 1n, n: 2, event_timestamp: E }], undefined, { wait: 'applied' })
  assert.equal((await faults.store.get(textModel, { id: '1' })).n, 1)
  assert.equal((await faults.store.get(numberModel, { id: 1n })).n, 2)
})

test('B16: a key beyond its limit is refused, in a push, a lookup and a file', async () => {
  const left = '😀'.repeat(100)
  const row = { left, right: '', n: 1 }
  for (const work of [
    async () => await faults.store.push(pairs, [{ ...row, event_timestamp: E }]),
    async () => await faults.store.get(pairModel, { left, right: '' }),
    async () => await faults.store.get(pairModel, { left, right: '' }, { asOf: NOON }),
  ]) {
    assert.equal((await refusal(work)).kind, 'invalid')
  }
  await faults.write('lines.jsonl', [{ ...row, at: '2024-06-01T11:00:00Z' }])
  assert.deepEqual((await faults.store.materialize(filePairs)).reasons, { invalid_value: 1 })
})

test('B15: a null in a key is refused in a push, quarantined in a file, and no entity when asked', async () => {
  const error = await refusal(
    async () => await faults.store.push(pairs, [{ left: 'a', right: null, n: 1, event_timestamp: E }]),
  )
  assert.deepEqual([error.code, error.details['column']], ['null_key', 'right'])
  for (const row of [{ left: 'a' }, { left: 'a', right: undefined }]) {
    const absent = { ...row, n: 1, event_timestamp: E }
    assert.equal(await codeOf(async () => await faults.store.push(pairs, [absent])), 'absent_value')
  }
  const at = '2024-06-01T11:00:00Z'
  await faults.write('lines.jsonl', [
    { left: null, right: 'x', n: 1, at },
    { right: 'x', n: 2, at },
  ])
  assert.deepEqual((await faults.store.materialize(filePairs)).reasons, { null_key: 2 })
  for (const options of [{}, { asOf: NOON }]) {
    const vector = await faults.store.get(pairModel, { left: 'a', right: null }, options)
    assert.deepEqual(
      [vector.n, vector.$statuses['n'], vector.$flags['n']],
      [null, 'not_found', { null_key: true }],
    )
  }
  const { rows, manifest } = await faults.train(pairModel, {
    left: [STRING, ['a', null]],
    right: [STRING, [null, null]],
    at: [TIME, [BigInt(NOON), BigInt(NOON)]],
  })
  assert.deepEqual(
    rows.map((row) => row['n']),
    [null, null],
  )
  assert.equal(manifest.groups[0]!.nullKeys, 2)
})

test('P11: a key is of its type or refused with its path', async () => {
  const wrong: unknown[] = [1001.5, '1001', true, 1001, Number.NaN, 2n ** 63n, [1n], { id: 1n }, undefined]
  for (const id of wrong) {
    for (const options of [{}, { asOf: NOON }]) {
      const error = await refusal(
        async () => await faults.store.get(numberModel, { id } as never, options),
        String(id),
      )
      assert.equal(error.details['path'], 'keys[0].id')
    }
    const row = { id, n: 1, event_timestamp: E }
    assert.equal(
      (await refusal(async () => await faults.store.push(numbers, [row]))).details['path'],
      'rows[0].id',
    )
  }
  for (const [kind, values] of [
    ['string', ['1001']],
    ['float64', [1001.5]],
    ['bool', [true]],
  ] as const) {
    const labels = { id: [{ kind }, values], at: [TIME, [BigInt(NOON)]] } as never
    assert.equal((await refusal(async () => await faults.train(numberModel, labels), kind)).kind, 'invalid')
  }
})

test('P7: an entity that nobody has written is not_found, with the default and its flag where there is one', async () => {
  const vector = await faults.store.get(bagModel, { id: 'nobody' })
  assert.deepEqual({ ...vector.$statuses }, { mule: 'not_found', zebra: 'not_found', ant: 'not_found' })
  assert.deepEqual(Object.entries(vector), [
    ['mule', 9],
    ['zebra', null],
    ['ant', null],
  ])
  assert.deepEqual(vector.$flags, { mule: { defaulted: true } })
})

test('P8: features come in declared order, from every way out and after a restart', async () => {
  const declared = ['mule', 'zebra', 'ant']
  const bag = new Map([
    ['__proto__', 1],
    ['constructor', 2],
    ['', 3],
  ])
  await faults.store.push(
    bags,
    [{ ant: 1, mule: null, zebra: bag, event_timestamp: E, id: 'p8' }],
    undefined,
    { wait: 'applied' },
  )
  faults.clock.now += SECOND
  const now = await faults.store.get(bagModel, { id: 'p8' })
  assert.deepEqual(Object.keys(now), declared)
  assert.deepEqual(now.zebra, bag, 'B18: a map keeps any key')
  assert.deepEqual(
    [now.mule, now.$statuses['mule']],
    [null, 'null'],
    'B22: a null that was written is no absence',
  )
  const past = await faults.store.get(bagModel, { id: 'p8' }, { asOf: now.$at })
  assert.deepEqual([Object.keys(past), past.zebra], [declared, bag])
  const { columns } = await faults.train(bagModel, { id: [STRING, ['p8']], at: [TIME, [BigInt(NOON)]] })
  assert.deepEqual(columns, ['id', 'at', ...declared])
  await using again = await openFaultStore(shop, { folder: faults.folder, now: faults.clock.now as never })
  assert.deepEqual(Object.keys(await again.store.get('bag_model', { id: 'p8' })), declared)
})

const MEANINGFUL = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  'valueof',
  'seq',
]

test('B18: names that mean something to JavaScript or to asof name nothing', async () => {
  for (const name of [
    ...MEANINGFUL,
    '',
    'A',
    '1a',
    'a-b',
    'a.b',
    'a b',
    'a"b',
    'é',
    'a'.repeat(64),
    'a/../b',
    'a\0',
  ]) {
    const features = Object.fromEntries([[name, int32()]])
    const what: [string, () => unknown][] = [
      ['feature', () => featureGroup('g', { entity: text, features })],
      ['key', () => entity('e', { keys: features })],
    ]
    if (name !== 'seq') {
      what.push(
        ['group', () => featureGroup(name, { entity: text, features: { n: int32() } })],
        ['entity', () => entity(name, { keys: {} })],
        ['service', () => featureService(name, { features: [texts] })],
        ['project', () => project(name, [textModel])],
      )
    }
    for (const [kind, make] of what) assert.equal((await refusal(make, `${kind} ${name}`)).kind, 'invalid')
    const json = JSON.stringify({
      asof: 1,
      project: 'p',
      definitions: [{ kind: 'entity', name: 'e', keys: [{ name, type: 'string' }] }],
    })
    await refusal(() => parseDefinitions(json), `JSON ${name}`)
  }
})

test('B18: what JSON.parse makes of __proto__ is an unknown column, key, input or property', async () => {
  const row = { id: 'b18', n: 1, event_timestamp: E }
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const given = JSON.parse(`{"id":"b18","n":1,"event_timestamp":${E},"${name}":{"polluted":true}}`)
    assert.equal(await codeOf(async () => await faults.store.push(texts, [given])), 'unknown_column')
    const keys = JSON.parse(`{"id":"b18","${name}":1}`)
    assert.equal(await codeOf(async () => await faults.store.get(textModel, keys)), 'unknown_key')
    const request = JSON.parse(`{"${name}":1}`)
    const asked = async () => await faults.store.get(textModel, { id: 'a' }, { request })
    assert.equal(await codeOf(asked), 'unknown_request_input')
    await refusal(() => parseDefinitions(`{"asof":1,"project":"p","definitions":[],"${name}":1}`))
  }
  // Features inherited from a prototype are not given.
  const inherited = Object.assign(Object.create({ n: 1 }) as object, { id: 'b18', event_timestamp: E })
  assert.equal(await codeOf(async () => await faults.store.push(texts, [inherited as never])), 'partial_row')
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  for (const name of MEANINGFUL) {
    assert.equal(await codeOf(async () => await faults.store.get(name, { id: 'a' })), 'service_not_found')
    assert.equal(await codeOf(async () => await faults.store.push(name, [row])), 'group_not_found')
  }
})

test('B22: a row is whole: absent or undefined is refused by name, null is a value, a tombstone is explicit', async () => {
  const key = { id: 'b22', event_timestamp: E }
  for (const row of [
    { ...key, ant: 1 },
    { ...key, ant: 1, mule: undefined, zebra: undefined },
  ]) {
    const error = await refusal(async () => await faults.store.push(bags, [row]))
    assert.deepEqual([error.code, error.details['absent']], ['partial_row', 'zebra, mule'])
  }
  const whole = { ...key, ant: null, mule: null, zebra: null }
  for (const _deleted of ['true', 1, null, {}]) {
    const error = await refusal(async () => await faults.store.push(bags, [{ ...whole, _deleted }]))
    assert.deepEqual([error.code, error.details['path']], ['invalid_value', 'rows[0]._deleted'])
  }
  assert.equal(
    await codeOf(async () => await faults.store.push(bags, [{ ...whole, _deleted: true }])),
    'invalid_tombstone',
  )
  const wait = { wait: 'applied' } as const
  await faults.store.push(bags, [whole], undefined, wait)
  assert.equal((await faults.store.get(bagModel, { id: 'b22' })).$statuses['ant'], 'null')
  await faults.store.push(bags, [{ ...key, event_timestamp: E + 1, _deleted: true }], undefined, wait)
  const gone = await faults.store.get(bagModel, { id: 'b22' })
  assert.deepEqual([gone.$statuses['ant'], gone.mule], ['not_found', 9])
})

test('B20: a column that nobody declared is refused, or left out where the group says so', async () => {
  const row = { id: 'b20', n: 1, event_timestamp: E, surprise: 1 }
  assert.equal(await codeOf(async () => await faults.store.push(texts, [row])), 'unknown_column')
  assert.equal((await faults.store.push(additive, [row])).accepted, 1)
  assert.deepEqual(
    (await faults.table('additive')).map((each) => [each['id'], each['n']]),
    [['b20', 1]],
  )
})

test('B21: nothing asked is nothing answered, what is asked twice is answered twice, and an empty push is refused', async () => {
  assert.equal(await codeOf(async () => await faults.store.push(texts, [])), 'empty_push')
  assert.deepEqual(await faults.store.getMany(textModel, []), [])
  assert.deepEqual(await faults.store.getMany(textModel, [], { asOf: NOON }), [])
  const ids = ['1', 'nobody', '1', '1']
  const answers = await faults.store.getMany(
    textModel,
    ids.map((id) => ({ keys: { id } })),
  )
  assert.deepEqual(
    answers.map((each) => each.n),
    [1, null, 1, 1],
  )
  const none = await faults.train(textModel, { id: [STRING, []], at: [TIME, []] })
  assert.deepEqual([none.rows, none.manifest.labels.rows], [[], 0])
  assert.ok((await faults.store.verify(none.folder)).ok)
  assert.equal(await codeOf(() => featureService('empty', { features: [] })), 'invalid_definition')
  const twice = async () => featureService('twice', { features: [texts, texts] })
  assert.equal(await codeOf(twice), 'duplicate_feature')
})
