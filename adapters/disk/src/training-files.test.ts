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

test('what is there is refused, or replaced when told so and it is a set', async () => {
  await inFolder(async (folder) => {
    const files = diskTrainingFiles()
    const set = join(folder, 'set')
    await mkdir(set)
    await files.discard(await files.begin(set))
    await writeFile(join(set, 'own.txt'), 'precious')
    await assert.rejects(files.begin(set), { code: 'output_exists', kind: 'conflict' })
    await assert.rejects(files.begin(set, { overwrite: true }), {
      code: 'output_not_a_set',
      kind: 'conflict',
    })
    await writeFile(join(set, 'manifest.json'), 'old')
    const building = await files.begin(set, { overwrite: true })
    await files.writeText(join(building, 'new.txt'), 'new')
    assert.equal(await readFile(join(set, 'manifest.json'), 'utf8'), 'old')
    await files.finish(building, set)
    assert.deepEqual(await readdir(set), ['new.txt'])
    assert.deepEqual(await readdir(folder), ['set'])
  })
})

test('a file, or a relative place, is refused; of two builds for one place the second is', async () => {
  await inFolder(async (folder) => {
    const files = diskTrainingFiles()
    const file = join(folder, 'file')
    await writeFile(file, 'precious')
    await assert.rejects(files.begin(file), { code: 'output_exists' })
    await assert.rejects(files.begin(file, { overwrite: true }), { code: 'output_not_a_set' })
    await assert.rejects(files.begin(join(file, 'set')), { code: 'disk_failed' })
    for (const place of ['set', '', './set'])
      await assert.rejects(files.begin(place), { code: 'invalid_path' })
    const set = join(folder, 'set')
    const [first, second] = [await files.begin(set), await files.begin(set)]
    await files.writeText(join(first, 'first.txt'), '1')
    await files.finish(first, set)
    await assert.rejects(files.finish(second, set), { code: 'output_exists' })
    assert.deepEqual(await readdir(set), ['first.txt'])
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

test('of several builds that are finished at once for one place, one is there', async () => {
  await inFolder(async (folder) => {
    const files = diskTrainingFiles()
    for (let round = 0; round < 40; round++) {
      const set = join(folder, `set-${round}`)
      const building = await Promise.all(Array.from({ length: 4 }, async () => await files.begin(set)))
      for (const [n, place] of building.entries()) await files.writeText(join(place, 'a.txt'), String(n))
      const finished = await Promise.allSettled(building.map(async (place) => await files.finish(place, set)))
      const there = finished.findIndex(({ status }) => status === 'fulfilled')
      assert.equal(finished.filter(({ status }) => status === 'fulfilled').length, 1)
      for (const each of finished) {
        if (each.status === 'rejected') {
          assert.equal((each.reason as { readonly code: string }).code, 'output_exists')
        }
      }
      assert.equal(await files.readText(join(set, 'a.txt')), String(there))
    }
  })
})
