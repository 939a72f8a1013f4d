import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { instant } from '@asof/core'
import { sequencedRow, sequenceOfRow, temporaryFolder } from '@asof/testing'
import { openLmdbEventLog, openLmdbOnlineStore, openLmdbRegistry } from './index.ts'
import { LmdbEnvironment } from './lmdb-environment.ts'

const wall = () => instant(1_704_067_200_000_000)

describe('a folder of LMDB', () => {
  it('is refused by a store of another kind, and by a release that does not know its format', async () => {
    await using folder = await temporaryFolder()
    await (await openLmdbRegistry(folder.path))[Symbol.asyncDispose]()
    await assert.rejects(openLmdbOnlineStore(folder.path), { code: 'wrong_folder' })
    await assert.rejects(openLmdbEventLog(folder.path, { wall }), { code: 'wrong_folder' })
    await using environment = await LmdbEnvironment.open(folder.path, 'registry')
    environment.write(() => environment.json('about').putSync('asof', { content: 'registry', format: 2 }))
    await assert.rejects(openLmdbRegistry(folder.path), { code: 'unknown_format' })
  })

  it('may have a dot in its name, and folders above it that are not there', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'a', 'store.d')
    await using registry = await openLmdbRegistry(path)
    assert.equal(await registry.head(), undefined)
  })

  it('can be closed and opened at once, and while another handle is open', async () => {
    await using folder = await temporaryFolder()
    const [one, two] = [await openLmdbOnlineStore(folder.path), await openLmdbOnlineStore(folder.path)]
    await one.provision('t')
    await one[Symbol.asyncDispose]()
    await one[Symbol.asyncDispose]()
    await two.write('t', [sequencedRow('k', 1)])
    const closing = two[Symbol.asyncDispose]()
    await using three = await openLmdbOnlineStore(folder.path)
    await closing
    const [payload] = await three.read([{ table: 't', key: Buffer.from('k') }])
    assert.equal(sequenceOfRow(payload!), 1)
  })

  it('is refused after close, by each of the three', async () => {
    await using folder = await temporaryFolder()
    const closed = { code: 'store_closed', kind: 'closed' }
    const registry = await openLmdbRegistry(join(folder.path, 'registry'))
    const online = await openLmdbOnlineStore(join(folder.path, 'online'))
    const log = await openLmdbEventLog(join(folder.path, 'log'), { wall })
    await online.provision('t')
    const late = log.append([{ producer: 'p', sequence: 1, span: 1, body: new Uint8Array() }])
    for (const store of [registry, online, log]) await store[Symbol.asyncDispose]()
    assert.equal((await late).length, 1, 'an append under way is done before the log closes')
    await assert.rejects(registry.head(), closed)
    await assert.rejects(online.read([{ table: 't', key: Buffer.from('k') }]), closed)
    await assert.rejects(online.write('t', []), closed)
    await assert.rejects(log.append([]), closed)
    await assert.rejects(log.end(), closed)
    assert.throws(() => log.now(), closed)
  })
})

describe('the LMDB online store', () => {
  it('gives arrays that stay valid, for many readers at once', async () => {
    await using folder = await temporaryFolder()
    await using online = await openLmdbOnlineStore(folder.path)
    await online.provision('t')
    const rows = Array.from({ length: 400 }, (_, index) => sequencedRow(`k${index}`, index + 1))
    await online.write('t', rows)
    const reads = rows.map(({ key }) =>
      online.read([
        { table: 't', key },
        { table: 't', key: rows[7]!.key },
      ]),
    )
    for (const [index, payloads] of (await Promise.all(reads)).entries()) {
      assert.deepEqual(
        payloads.map((payload) => sequenceOfRow(payload!)),
        [index + 1, 8],
      )
    }
  })

  it('refuses a key longer than LMDB takes, and takes the longest', async () => {
    await using folder = await temporaryFolder()
    await using online = await openLmdbOnlineStore(folder.path)
    await online.provision('t')
    const row = (length: number) => ({ ...sequencedRow('', 1), key: new Uint8Array(length).fill(120) })
    assert.equal((await online.write('t', [row(1_972)])).applied, 1)
    const seen: number[] = []
    for await (const { key } of online.scan('t')) seen.push(key.length)
    assert.deepEqual(seen, [1_972])
    const tooLong = { code: 'online_key_too_long' }
    await assert.rejects(online.write('t', [row(1_973)]), tooLong)
    await assert.rejects(online.read([{ table: 't', key: row(1_973).key }]), tooLong)
  })
})
