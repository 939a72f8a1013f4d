import assert from 'node:assert/strict'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { ObjectStore } from '@asof/core'

/** One empty place to test, and how to get at it. */
export interface ObjectStoreSetup {
  /** A store over the place; each call as another process would open it. */
  readonly open: () => ObjectStore
  /** A folder for local files to adopt; without it the store must refuse adoption. */
  readonly localFolder?: string
  readonly dispose?: () => Promise<void>
}

/**
 * What every object store must do, as tests of node:test.
 *
 * @param make gives a new, empty place for each test
 * @example
 * ```ts
 * objectStoreConformance('memory', async () => {
 *   const store = memoryObjectStore(() => Date.now())
 *   return { open: () => store }
 * })
 * ```
 */
export function objectStoreConformance(name: string, make: () => Promise<ObjectStoreSetup>): void {
  const on = async (body: (setup: ObjectStoreSetup) => Promise<void>): Promise<void> => {
    const setup = await make()
    try {
      await body(setup)
    } finally {
      await setup.dispose?.()
    }
  }

  describe(`object store: ${name}`, () => {
    it('gives back what was put, and undefined for a miss', () =>
      on(async ({ open }) => {
        const store = open()
        assert.equal(await store.get('a/b'), undefined)
        assert.equal(await store.put('a/b', bytes('one')), true)
        assert.equal(await store.put('a/c', bytes('')), true)
        assert.equal(text(await store.get('a/b')), 'one')
        assert.equal(text(await store.get('a/c')), '')
        assert.equal(await store.get('a'), undefined)
        assert.equal(await store.get('a/b/c'), undefined)
        assert.equal(text(await open().get('a/b')), 'one')
      }))

    it('overwrites without ifAbsent, and never with it', () =>
      on(async ({ open }) => {
        const store = open()
        assert.equal(await store.put('x', bytes('one'), { ifAbsent: true }), true)
        assert.equal(await store.put('x', bytes('two'), { ifAbsent: true }), false)
        assert.equal(text(await store.get('x')), 'one')
        assert.equal(await store.put('x', bytes('three')), true)
        assert.equal(text(await store.get('x')), 'three')
      }))

    it('keeps no hold on the bytes given or handed out', () =>
      on(async ({ open }) => {
        const store = open()
        const body = bytes('one')
        await store.put('x', body)
        body[0] = 0
        const read = await store.get('x')
        assert.ok(read)
        read[0] = 0
        assert.equal(text(await store.get('x')), 'one')
      }))

    it('lets exactly one of eight racing ifAbsent puts win, whole', () =>
      on(async ({ open }) => {
        for (let round = 0; round < 10; round++) {
          const bodies = Array.from({ length: 8 }, (_, writer) => new Uint8Array(50_000).fill(writer + 1))
          const won = await Promise.all(
            bodies.map((body) => open().put(`r/${round}`, body, { ifAbsent: true })),
          )
          assert.equal(won.filter(Boolean).length, 1)
          assert.deepEqual(await open().get(`r/${round}`), Uint8Array.from(bodies[won.indexOf(true)] ?? []))
        }
      }))

    it('shows readers nothing or a whole body while it is overwritten', () =>
      on(async ({ open }) => {
        const writes = { left: 20 }
        const write = async (): Promise<void> => {
          for (; writes.left > 0; writes.left--) {
            await open().put('x', new Uint8Array(200_000).fill(writes.left))
          }
        }
        const read = async (): Promise<void> => {
          while (writes.left > 0) {
            const body = await open().get('x')
            if (body === undefined) continue
            assert.equal(body.length, 200_000)
            assert.ok(body.every((byte) => byte === body[0]))
            for await (const entry of open().list('')) assert.equal(entry.path, 'x')
          }
        }
        await Promise.all([write(), read(), read()])
      }))

    it('reads ranges, the end exclusive, and leaves out what lies beyond', () =>
      on(async ({ open }) => {
        const store = open()
        await store.put('x', bytes('0123456789'))
        assert.equal(text(await store.get('x', { from: 2, to: 5 })), '234')
        assert.equal(text(await store.get('x', { from: 0, to: 10 })), '0123456789')
        assert.equal(text(await store.get('x', { from: 8, to: 99 })), '89')
        assert.equal(text(await store.get('x', { from: 99, to: 100 })), '')
        assert.equal(text(await store.get('x', { from: 3, to: 3 })), '')
        assert.equal(await store.get('y', { from: 0, to: 1 }), undefined)
      }))

    it('lists in byte order what lies below a prefix, after a path', () =>
      on(async ({ open }) => {
        const store = open()
        // In UTF-16 the last two would change places; as plain names `a` would come before `a.b`.
        const paths = ['Z', 'a-b', 'a.b', 'a/x', 'a/y/z', 'a0', 'ab/c', 'b/%20 =', '\uffee', '😈']
        for (const path of paths.toReversed()) await store.put(path, bytes(path))
        assert.deepEqual(await listed(store, ''), paths)
        assert.deepEqual(await listed(store, 'a'), ['a/x', 'a/y/z'])
        assert.deepEqual(await listed(store, 'a/y'), ['a/y/z'])
        assert.deepEqual(await listed(store, 'none'), [])
        for (const [index, path] of paths.entries()) {
          assert.deepEqual(await listed(store, '', path), paths.slice(index + 1))
        }
        assert.deepEqual(await listed(store, '', 'a/y'), paths.slice(4))
        assert.deepEqual(await listed(store, 'a', 'a/x'), ['a/y/z'])
        for await (const entry of store.list('a')) {
          assert.equal(entry.bytes, entry.path.length)
          assert.ok(entry.modifiedMs > 1_600_000_000_000)
        }
      }))

    it('deletes, also what is not there', () =>
      on(async ({ open }) => {
        const store = open()
        await store.put('a/b', bytes('one'))
        await store.put('a/c', bytes('two'))
        await store.delete('a/b')
        await store.delete('a/b')
        await store.delete('never/was')
        assert.equal(await store.get('a/b'), undefined)
        assert.deepEqual(await listed(store, ''), ['a/c'])
        assert.equal(await store.put('a/b', bytes('again'), { ifAbsent: true }), true)
      }))

    it('refuses paths that are not plain and relative', () =>
      on(async ({ open }) => {
        const store = open()
        const bad = [
          '',
          '/a',
          'a/',
          'a//b',
          '.',
          '..',
          '../x',
          'a/../../x',
          'a/./b',
          'a\0b',
          '\ud800',
          '.asof-tmp-1',
        ]
        for (const path of bad) {
          const refused = { name: 'AsofError', code: 'invalid_path' }
          await assert.rejects(store.get(path), refused, path)
          await assert.rejects(store.put(path, bytes('x')), refused, path)
          await assert.rejects(store.put(path, bytes('x'), { ifAbsent: true }), refused, path)
          await assert.rejects(store.delete(path), refused, path)
          if (path !== '') await assert.rejects(listed(store, path), refused, path)
          assert.throws(() => store.localPath(path), refused, path)
        }
        for (const path of ['..a', 'a..', '...', 'a b', 'a%2e', 'a=b:c']) await store.put(path, bytes('x'))
      }))

    it('takes a local file in, which is then gone, and gives a local path to it; or has no local files at all', async () => {
      const setup = await make()
      try {
        const store = setup.open()
        if (setup.localFolder === undefined) {
          await store.put('a/b/c', bytes('one'))
          assert.equal(store.localPath('a/b/c'), undefined)
          await assert.rejects(store.adopt('staged', 'a/b/d'), { name: 'AsofError' })
          return
        }
        await mkdir(setup.localFolder, { recursive: true })
        const file = join(setup.localFolder, 'staged')
        await writeFile(file, 'one')
        await store.adopt(file, 'a/b/c')
        await assert.rejects(stat(file))
        assert.equal(text(await store.get('a/b/c')), 'one')
        assert.equal(await readFile(store.localPath('a/b/c') ?? '', 'utf8'), 'one')
        await assert.rejects(store.adopt(file, 'a/b/c'), { code: 'file_not_found' })
        assert.equal(text(await store.get('a/b/c')), 'one')
        assert.deepEqual(await listed(store, ''), ['a/b/c'])
      } finally {
        await setup.dispose?.()
      }
    })
  })
}

async function listed(store: ObjectStore, prefix: string, after?: string): Promise<string[]> {
  const paths: string[] = []
  for await (const entry of store.list(prefix, after === undefined ? {} : { after })) paths.push(entry.path)
  return paths
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value)
}
