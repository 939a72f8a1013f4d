// A server whose disk takes no more: what is pushed is refused and can be repeated, lookups go on, nothing is left behind.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'node:test'
import { createServer } from '@asof/server'
import { playedRole, startRole, tell, temporaryFolder } from '@asof/testing'
import { openCrashStore } from '../crash/crash-project.ts'

const FILE = fileURLToPath(import.meta.url)
/** No file of the server grows beyond this. */
const FILE_BYTES_MAX = 1_000_000

async function serve(folder: string): Promise<void> {
  // lmdb-js prints each commit that fails.
  console.error = () => {}
  const store = await openCrashStore(folder)
  store.start()
  const server = createServer({ store, incoming: join(folder, '.asof/incoming') })
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  tell(url)
}

function lines(rows: number, padding: number): string {
  const user = 'u'.repeat(padding)
  return Array.from(
    { length: rows },
    (_, row) => `{"user":"${user}${row}","event_timestamp":"2024-06-01T00:00:00Z","count":${row}}\n`,
  ).join('')
}

if (!(await playedRole({ serve }))) {
  const windows =
    process.platform === 'win32' && 'there is no limit on the size of a file to stand for a full disk'
  describe('a server on a full disk', { skip: windows }, () => {
    it('refuses rows and batches, goes on answering, and leaves nothing', async () => {
      await using folder = await temporaryFolder()
      {
        await using store = await openCrashStore(folder.path)
        await store.apply()
      }
      const child = startRole(FILE, 'serve', [folder.path], { fileBytesMax: FILE_BYTES_MAX })
      const url = await child.next()
      const push = async (
        path: string,
        type: string,
        body: string,
      ): Promise<{ status: number; code: unknown }> => {
        const response = await fetch(`${url}/v1/groups/clicks/${path}`, {
          method: 'POST',
          headers: { 'content-type': type },
          body,
        })
        return { status: response.status, code: ((await response.json()) as Record<string, unknown>)['code'] }
      }
      const rows = async (sequence: number): Promise<{ status: number; code: unknown }> => {
        const user = 'u'.repeat(400)
        const each = Array.from({ length: 50 }, (_, row) => ({
          user: `${user}${row}`,
          event_timestamp: '2024-06-01T00:00:00Z',
          count: sequence,
        }))
        return await push(
          'rows',
          'application/json',
          JSON.stringify({ rows: each, producer: 'rows', sequence }),
        )
      }
      const batch = async (sequence: number, count: number): Promise<{ status: number; code: unknown }> =>
        await push(`batches?producer=batches&sequence=${sequence}`, 'application/x-ndjson', lines(count, 200))
      const looked = async (): Promise<number> => {
        const response = await fetch(`${url}/v1/get`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ service: 'model', keys: { user: 'a' } }),
        })
        return response.status
      }
      assert.equal((await batch(1, 100)).status, 200)
      // Its body alone is larger than a file may be.
      assert.deepEqual(await batch(2, 5_000), { status: 503, code: 'disk_full' })
      assert.equal(await looked(), 200)
      assert.deepEqual(
        (await readdir(join(folder.path, '.asof/incoming'), { recursive: true })).filter((name) =>
          name.includes('.part'),
        ),
        [],
      )
      // The log fills up.
      let refused = { status: 200, code: undefined as unknown }
      let sequence = 0
      while (refused.status === 200 && sequence < 1_000) refused = await rows(++sequence)
      assert.deepEqual(refused, { status: 503, code: 'disk_refused_write' })
      for (let round = 0; round < 3; round++) {
        assert.equal((await rows(sequence)).status, 503)
        assert.equal(await looked(), 200)
        assert.equal((await fetch(`${url}/livez`)).status, 200)
      }
      await child.kill()
      // With room again, the same pushes are taken, once each.
      await using store = await openCrashStore(folder.path)
      const name = { producer: 'rows', sequence }
      const row = { user: 'again', event_timestamp: '2024-06-01T00:00:00Z', count: 1n }
      assert.equal((await store.push('clicks', [row], name)).duplicate, false)
      assert.equal(
        (await store.push('clicks', [row], { producer: 'rows', sequence: sequence - 1 })).duplicate,
        true,
      )
    })
  })
}
