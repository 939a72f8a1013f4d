// Requests that are read in one way alone, and answers that stay within their limits, whatever is asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Packr } from 'msgpackr'
import {
  bytes,
  entity,
  featureGroup,
  featureService,
  float64,
  list,
  project,
  string,
  vector,
} from '@asof/core'
import { around } from '../faults/failing-parts.ts'
import { at, HOUR } from '../faults/fault-store.ts'
import { openHttpStore } from './http-store.ts'

const file = entity('file', { keys: { hash: bytes() } })
const pages = featureGroup('pages', {
  entity: file,
  features: { text: string(), blob: bytes(), place: vector(1_000), words: list(string()), score: float64() },
})
const shop = project('shop', [featureService('model', { features: [pages] })])
const packer = new Packr({ useRecords: false, variableMapSize: true })
const HASH = Uint8Array.from([1, 2, 3])
const row = {
  hash: HASH,
  event_timestamp: at(-HOUR),
  text: 'x'.repeat(4_000),
  blob: new Uint8Array(4_000),
  place: new Float32Array(1_000),
  words: Array.from({ length: 400 }, () => 'ten letter'),
  score: 2,
}

test('a content type means the same however it is spelled', async () => {
  await using http = await openHttpStore(shop)
  await http.store.push('pages', [row])
  await http.store.drain()
  const body = new Uint8Array(packer.pack({ features: ['pages:score'], keys: { hash: Buffer.from(HASH) } }))
  for (const type of [
    'application/vnd.msgpack',
    'Application/VND.MsgPack',
    'APPLICATION/vnd.msgpack ; version=1',
  ]) {
    const found = await http.ask('/v1/get', body, { headers: { 'content-type': type } })
    assert.equal(found.status, 200, type)
    assert.deepEqual(found.json()['rows'], [{ 'pages:score': 2 }], type)
  }
})

test('an answer has no more bytes than its limit, by whatever its values are long', async () => {
  await using http = await openHttpStore(shop, { limits: { answerBytesMax: 100_000 } })
  await http.store.push('pages', [row])
  await http.store.drain()
  const entities = Array.from({ length: 100 }, () => ({ keys: { hash: 'AQID' } }))
  for (const form of ['rows', 'columns']) {
    for (const accept of ['application/json', 'application/vnd.msgpack']) {
      const ask = async (feature: string, of: object[]): Promise<number> =>
        (
          await http.ask(
            '/v1/get',
            { features: [`pages:${feature}`], entities: of, form },
            { headers: { accept } },
          )
        ).status
      for (const feature of ['text', 'blob', 'place', 'words']) {
        assert.equal(await ask(feature, entities), 400, `${feature} ${form} ${accept}`)
        assert.equal(await ask(feature, entities.slice(0, 10)), 200, `${feature} ${form} ${accept}`)
      }
      assert.equal(await ask('score', entities), 200)
    }
  }
  const refused = await http.ask('/v1/get', { features: ['pages:text'], entities })
  assert.equal(refused.json()['code'], 'answer_too_large')
})

test('what is asked about projects that are not there is not remembered', async () => {
  let heads = 0
  await using http = await openHttpStore(shop, {
    faults: {
      wrap: (parts) => ({
        ...parts,
        registry: around(parts.registry, (method, call) => {
          if (method === 'head') heads++
          return call()
        }),
      }),
    },
  })
  const ask = async (): Promise<void> => {
    assert.equal((await http.ask('/v1/lineage?of=elsewhere.pages')).status, 404)
  }
  await ask()
  const before = heads
  await ask()
  assert.ok(heads > before, 'looked up again')
})

test('a deadline longer than any timer does not end at once', async () => {
  await using http = await openHttpStore(shop, {
    faults: {
      wrap: (parts) => ({
        ...parts,
        online: around(parts.online, async (method, call) => {
          if (method === 'read') await sleep(30)
          return await call()
        }),
      }),
    },
  })
  const found = await http.store.get('model', { hash: HASH }, { deadline: Infinity })
  assert.equal(found.$source, 'online')
})
