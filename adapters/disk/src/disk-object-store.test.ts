import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { objectStoreConformance } from '@asof/testing'
import type { ObjectStore } from '@asof/core'
import { diskObjectStore } from './disk-object-store.ts'

async function place(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'asof-disk-'))
}

async function listed(store: ObjectStore, prefix: string): Promise<string[]> {
  const paths: string[] = []
  for await (const entry of store.list(prefix)) paths.push(entry.path)
  return paths
}

objectStoreConformance('disk', async () => {
  const folder = await place()
  return {
    open: () => diskObjectStore(join(folder, 'store')),
    localFolder: join(folder, 'local'),
    dispose: () => rm(folder, { recursive: true }),
  }
})

describe('disk object store', () => {
  it('refuses symbolic links below its folder, to files and to folders, there or not yet', async () => {
    const folder = await place()
    try {
      const store = diskObjectStore(join(folder, 'store'))
      await store.put('a/inside', new Uint8Array([1]))
      await mkdir(join(folder, 'out'))
      await writeFile(join(folder, 'out', 'secret'), 'x')
      await symlink(join(folder, 'out'), join(folder, 'store', 'out'))
      await symlink(join(folder, 'out', 'secret'), join(folder, 'store', 'secret'))
      await symlink(join(folder, 'store', 'a'), join(folder, 'store', 'b'))
      const refused = { code: 'invalid_path' }
      for (const path of ['out/secret', 'out/new', 'out/new/deeper', 'secret', 'b/inside']) {
        if (path !== 'secret') await assert.rejects(store.put(path, new Uint8Array()), refused, path)
        await assert.rejects(store.get(path), refused, path)
        assert.throws(() => store.localPath(path), refused, path)
      }
      await assert.rejects(store.delete('out/secret'), refused)
      await assert.rejects(listed(store, 'out'), refused)
      assert.deepEqual(await listed(store, ''), ['a/inside'])
      assert.deepEqual(await readdir(join(folder, 'out')), ['secret'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('works below a folder that is itself a link', async () => {
    const folder = await place()
    try {
      await mkdir(join(folder, 'real'))
      await symlink(join(folder, 'real'), join(folder, 'link'))
      const store = diskObjectStore(join(folder, 'link'))
      await store.put('a/b', new Uint8Array([7]))
      assert.deepEqual([...((await store.get('a/b')) ?? [])], [7])
      assert.equal(store.localPath('a/b'), join(folder, 'link', 'a', 'b'))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('leaves no temporary file behind, also after a put that lost or failed', async () => {
    const folder = await place()
    try {
      const store = diskObjectStore(folder)
      await store.put('a', new Uint8Array([1]), { ifAbsent: true })
      await store.put('a', new Uint8Array([1]), { ifAbsent: true })
      await store.put('a', new Uint8Array([2]))
      await mkdir(join(folder, 'd', 'e'), { recursive: true })
      await assert.rejects(store.put('d', new Uint8Array([1])), { code: 'invalid_path' })
      await assert.rejects(store.put('a/b', new Uint8Array([1])), { code: 'invalid_path' })
      await assert.rejects(store.put('n'.repeat(300), new Uint8Array([1])), { code: 'invalid_path' })
      assert.deepEqual((await readdir(folder)).sort(), ['a', 'd'])
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('removes what a writer that died has left, on its first write there, and nothing that may be in use', async () => {
    const folder = await place()
    try {
      const now = Date.now()
      const gone = 2 ** 30
      const files: readonly [name: string, ageMs: number][] = [
        [`.asof-tmp-${gone}-abc`, 3_600_001],
        [`.asof-tmp-${gone}-def`, 3_500_000],
        [`.asof-tmp-${process.pid}-abc`, 3_600_001],
        ['.asof-tmp-mine', 3_600_001],
      ]
      await mkdir(join(folder, 'a'))
      for (const [name, ageMs] of files) {
        await writeFile(join(folder, 'a', name), 'half')
        await utimes(join(folder, 'a', name), new Date(now), new Date(now - ageMs))
      }
      const store = diskObjectStore(folder, { now: () => now })
      await store.put('b', new Uint8Array([1]))
      assert.equal((await readdir(join(folder, 'a'))).length, 4, 'only where it writes')
      await store.put('a/b', new Uint8Array([1]))
      const left = [...files.slice(1).map(([name]) => name), 'b'].sort()
      assert.deepEqual((await readdir(join(folder, 'a'))).sort(), left)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('does not show what a writer that died has left', async () => {
    const folder = await place()
    try {
      await writeFile(join(folder, '.asof-tmp-123-abc'), 'half')
      const store = diskObjectStore(folder)
      assert.deepEqual(await listed(store, ''), [])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
