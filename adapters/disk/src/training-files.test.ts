import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { diskTrainingFiles } from './training-files.ts'

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'asof-training-files-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a set appears whole, with all its files, and nothing else is left', async () => {
  await inFolder(async (folder) => {
    const files = diskTrainingFiles()
    const set = join(folder, 'deep', 'set')
    const building = await files.begin(set)
    assert.equal(await files.exists(set), false)
    await files.makeFolder(join(building, 'data'))
    await files.writeText(join(building, 'data', 'a.txt'), 'abc')
    await files.finish(building, set)
    assert.equal(await files.readText(join(set, 'data', 'a.txt')), 'abc')
    assert.deepEqual(await readdir(join(folder, 'deep')), ['set'])
    assert.deepEqual(await files.describe(join(set, 'data', 'a.txt')), {
      bytes: 3,
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    })
    assert.equal(await files.describe(join(set, 'b.txt')), undefined)
  })
})

test('what is there is refused, or replaced when told so', async () => {
  await inFolder(async (folder) => {
    const files = diskTrainingFiles()
    const set = join(folder, 'set')
    await mkdir(set)
    await files.discard(await files.begin(set))
    await writeFile(join(set, 'old.txt'), 'old')
    await assert.rejects(files.begin(set), { code: 'output_exists', kind: 'conflict' })
    const building = await files.begin(set, { overwrite: true })
    await files.writeText(join(building, 'new.txt'), 'new')
    assert.equal(await readFile(join(set, 'old.txt'), 'utf8'), 'old')
    await files.finish(building, set)
    assert.deepEqual(await readdir(set), ['new.txt'])
    assert.deepEqual(await readdir(folder), ['set'])
  })
})

test('what is discarded leaves nothing behind', async () => {
  await inFolder(async (folder) => {
    const files = diskTrainingFiles()
    const building = await files.begin(join(folder, 'set'))
    await files.writeText(join(building, 'a.txt'), 'a')
    await files.discard(building)
    await files.discard(building)
    assert.deepEqual(await readdir(folder), [])
  })
})
