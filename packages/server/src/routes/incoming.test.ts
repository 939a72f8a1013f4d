import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { it } from 'node:test'
import { temporaryFolder } from '@asof/testing'
import { incomingFolder } from './incoming.ts'

const ID = '123e4567-e89b-42d3-a456-426614174000'

it('keeps a body as a file until it is discarded', async () => {
  await using folder = await temporaryFolder()
  const incoming = incomingFolder(join(folder.path, 'incoming'))
  const { path, bytes } = await incoming.receive(Readable.from([Buffer.from('ab'), Buffer.from('c')]), 3)
  assert.deepEqual([bytes, await readFile(path, 'utf8')], [3, 'abc'])
  await incoming.discard(path)
  await incoming.discard(path)
  assert.deepEqual(
    (await readdir(folder.path, { recursive: true })).filter((name) => name.endsWith('.part')),
    [],
  )
})

it('leaves nothing of a body that is too large or ends too early, and lets it be answered', async () => {
  await using folder = await temporaryFolder()
  const incoming = incomingFolder(folder.path)
  const large = Readable.from([Buffer.from('abcd'), Buffer.from('e')])
  await assert.rejects(incoming.receive(large, 3), { code: 'payload_too_large' })
  assert.equal(large.destroyed, false)
  const cut = new Readable({ read() {} })
  const receiving = incoming.receive(cut, 100)
  cut.push('abc')
  cut.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
  await assert.rejects(receiving, { code: 'body_cut_off' })
  assert.deepEqual(
    (await readdir(folder.path, { recursive: true })).filter((name) => name.endsWith('.part')),
    [],
  )
})

it('removes what a server left behind that was killed, and nothing else', async () => {
  await using folder = await temporaryFolder()
  const dead = `2147483646-${ID}`
  const earlier = `${process.pid}-${ID}`
  const alive = `${process.ppid}-${ID}`
  for (const name of [dead, earlier, alive, 'not-ours']) {
    await mkdir(join(folder.path, name))
    await writeFile(join(folder.path, name, 'x.part'), 'x')
  }
  const incoming = incomingFolder(folder.path)
  const { path } = await incoming.receive(Readable.from([Buffer.from('a')]), 1)
  // Another server of this process leaves the first one alone.
  incomingFolder(folder.path)
  assert.equal(await readFile(path, 'utf8'), 'a')
  const left = await readdir(folder.path)
  assert.ok(!left.includes(dead) && !left.includes(earlier))
  assert.ok(left.includes(alive) && left.includes('not-ours'))
})
