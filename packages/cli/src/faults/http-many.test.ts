// Many clients push and read over HTTP at once, while definitions change and the server starts again.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { createServer, serverMetrics } from '@asof/server'
import { entity, featureGroup, featureService, int64, project, string, type Instant } from '../index.ts'
import { openFaultStore, type FaultStore } from './fault-store.ts'

const CLIENTS = 16
const PUSHES = 25

const user = entity('user', { keys: { user: string() } })
const before = featureGroup('clicks', { entity: user, features: { count: int64() } })
const after = featureGroup('clicks', { entity: user, features: { count: int64(), extra: int64() } })
const projectBefore = project('shop', [featureService('model', { features: [before] })])
const projectAfter = project('shop', [featureService('model', { features: [after] })])

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function serving(faults: FaultStore): Promise<AsyncDisposable & { readonly url: string }> {
  const { telemetry } = serverMetrics()
  faults.store.start()
  const incoming = join(faults.folder, '.asof/incoming')
  const server = createServer({ store: faults.store, telemetry, incoming })
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { url, [Symbol.asyncDispose]: async () => await server.close() }
}

async function post(url: string, path: string, body: unknown): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

function rowsOf(client: number, sequence: number, extra: object = {}): object[] {
  // Each push is later than the one before: with one time for all, the last in the log would win as well.
  const event_timestamp = Date.UTC(2024, 5, 1, 11) * 1_000 + sequence
  return [0, 1].map((row) => ({ user: `c${client}-${row}`, event_timestamp, count: sequence, ...extra }))
}

it(`${CLIENTS} clients push and read at once: each reads what it wrote, and all of it is there once`, async () => {
  await using faults = await openFaultStore(projectBefore)
  await faults.store.apply()
  await using server = await serving(faults)
  const { url } = server
  const positions = new Set<number>()
  const client = async (number: number): Promise<void> => {
    for (let sequence = 0; sequence < PUSHES; sequence++) {
      const name = { producer: `c${number}`, sequence }
      const wait = sequence % 5 === 0 ? { wait: 'applied' } : {}
      const pushed = await post(url, '/v1/groups/clicks/rows', {
        rows: rowsOf(number, sequence),
        ...name,
        ...wait,
      })
      assert.equal(pushed.status, 200, JSON.stringify(pushed.body))
      positions.add(Number(pushed.body['position']))
      const read = await post(url, '/v1/get', { service: 'model', keys: { user: `c${number}-1` } })
      assert.equal(read.status, 200)
      const [{ count }] = read.body['rows'] as [{ count: string | null }]
      if ('wait' in wait) assert.equal(count, String(sequence), 'it reads what it wrote')
      else assert.ok(Number(count ?? 0) <= sequence)
      if (sequence % 7 === 0) {
        const again = await post(url, '/v1/groups/clicks/rows', { rows: rowsOf(number, sequence), ...name })
        assert.equal(again.body['duplicate'], true)
      }
    }
  }
  const reader = async (): Promise<void> => {
    let last = -1
    for (let round = 0; round < PUSHES; round++) {
      const entities = Array.from({ length: CLIENTS }, (_, at) => ({ keys: { user: `c${at}-0` } }))
      const { status, body } = await post(url, '/v1/get', { service: 'model', entities })
      assert.equal(status, 200)
      const first = Number((body['rows'] as { count: string | null }[])[0]!.count ?? -1)
      assert.ok(first >= last, 'what was read once is not taken back')
      last = first
    }
  }
  await Promise.all([...Array.from({ length: CLIENTS }, (_, at) => client(at)), reader(), reader(), reader()])
  assert.equal(positions.size, CLIENTS * PUSHES)
  const rows = await faults.table('clicks')
  assert.equal(rows.length, CLIENTS * PUSHES * 2)
  assert.equal(
    new Set(rows.map((row) => `${row['user'] as string}/${row['count'] as bigint}`)).size,
    rows.length,
  )
})

it('pushes go on while the schema changes, and after a restart', async () => {
  await using faults = await openFaultStore(projectBefore)
  await faults.store.apply()
  const outcomes = new Map<string, number>()
  {
    await using server = await serving(faults)
    const client = async (number: number): Promise<void> => {
      let extra: object = {}
      for (let sequence = 0; sequence < PUSHES; sequence++) {
        const name = { producer: `c${number}`, sequence }
        let pushed = await post(server.url, '/v1/groups/clicks/rows', {
          rows: rowsOf(number, sequence, extra),
          ...name,
        })
        // From the change on a row has to say something about the new feature.
        if (pushed.body['code'] === 'partial_row') {
          extra = { extra: sequence }
          pushed = await post(server.url, '/v1/groups/clicks/rows', {
            rows: rowsOf(number, sequence, extra),
            ...name,
          })
        }
        assert.equal(pushed.status, 200, JSON.stringify(pushed.body))
        const kind = 'extra' in extra ? 'after' : 'before'
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1)
      }
    }
    const clients = Array.from({ length: CLIENTS }, (_, at) => client(at))
    while ((outcomes.get('before') ?? 0) < CLIENTS * 5) await new Promise((go) => setTimeout(go, 1))
    await faults.store.apply({ definitions: projectAfter.definitions })
    await Promise.all(clients)
  }
  assert.ok((outcomes.get('after') ?? 0) > 0, 'the schema changed while they pushed')
  await faults.store.close()

  await using again = await openFaultStore(projectAfter, {
    folder: faults.folder,
    now: faults.clock.now as Instant,
  })
  await using server = await serving(again)
  const repeated = await post(server.url, '/v1/groups/clicks/rows', {
    rows: rowsOf(3, PUSHES - 1, { extra: 1 }),
    producer: 'c3',
    sequence: PUSHES - 1,
  })
  assert.equal(repeated.body['duplicate'], true, 'names outlive a restart')
  const rows = await again.table('clicks')
  assert.equal(rows.length, CLIENTS * PUSHES * 2)
  const withExtra = rows.filter((row) => row['extra'] !== null).length
  assert.equal(withExtra, (outcomes.get('after') ?? 0) * 2)
  const { body } = await post(server.url, '/v1/get', { service: 'model', keys: { user: 'c3-0' } })
  const newest = rows.find((row) => row['user'] === 'c3-0' && row['count'] === BigInt(PUSHES - 1))!
  const extra = newest['extra'] as bigint | null
  assert.deepEqual(body['rows'], [
    { count: String(PUSHES - 1), extra: extra === null ? null : String(extra) },
  ])
})
