// A load of everything that a server is asked for, what it refuses included, and how much memory the server holds meanwhile.
import {
  entity,
  featureGroup,
  featureService,
  float64,
  int64,
  project,
  string,
  type Project,
} from '@asof/core'
import { PlainAsker, requestBytes } from './plain-asker.ts'

const user = entity('user', { keys: { user: string() } })
const clicks = featureGroup('clicks', { entity: user, features: { count: int64(), score: float64() } })
/** The project that the load is about. */
export const steadyProject: Project = project('shop', [featureService('model', { features: [clicks] })])

/** Bytes that a process holds. */
export interface Memory {
  readonly heapUsed: number
  readonly external: number
  readonly rss: number
}

/** What a server holds after it has collected its garbage; asked over HTTP. */
export async function memoryOf(url: string): Promise<Memory> {
  return (await (await fetch(`${url}/test/memory`)).json()) as Memory
}

/**
 * Sends so many requests over a few connections; answers how many had each status.
 *
 * @param from how many have been sent before: no two are alike
 */
export async function sendLoad(
  port: number,
  requests: number,
  from = 0,
  connections = 16,
): Promise<Map<number, number>> {
  const statuses = new Map<number, number>()
  let sent = from
  await Promise.all(
    Array.from({ length: connections }, async (_, client) => {
      let asker = await PlainAsker.open(port)
      while (sent < from + requests) {
        const number = sent++
        // Now and then a client goes away and another comes.
        if (asker.isOver || number % 500 === 0) {
          asker[Symbol.dispose]()
          asker = await PlainAsker.open(port)
        }
        const status = await asker.ask(requestOf(number, client))
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
      asker[Symbol.dispose]()
    }),
  )
  return statuses
}

/** No two are alike: whatever a server keeps for each of them it keeps for good. */
function requestOf(number: number, client: number): Buffer {
  const headers = { 'x-request-id': `load-${number}` }
  const json = (path: string, body: object): Buffer => requestBytes(path, JSON.stringify(body), headers)
  const keys = { user: `u${number}` }
  switch (number % 20) {
    case 0:
      return json('/v1/groups/clicks/rows', {
        // A few users and producers alone, as the store remembers each.
        rows: [
          { user: `u${number % 50}`, event_timestamp: Date.now() * 1_000, count: String(number), score: 1 },
        ],
        producer: `p${client}`,
        sequence: number,
      })
    case 1:
      return json('/v1/get', { service: `service_${number}`, keys })
    case 2:
      return json('/v1/get', { service: 'model', keys: { user: number } })
    case 3:
      return requestBytes(`/nowhere/${number}?n=${number}`, undefined, headers)
    case 4:
      return json('/v1/get', {
        features: [`clicks:count`],
        keys,
        form: 'columns',
        include: ['statuses', 'flags'],
      })
    case 5:
      return requestBytes(`/v1/groups/group_${number}`, undefined, headers)
    case 6:
      return requestBytes('/v1/get', `{"broken": ${number}`, headers)
    case 7:
      return json('/v1/get', { service: 'model', entities: [{ keys }, { keys: { user: 'u1' } }, { keys }] })
    case 8:
      return requestBytes('/v1/get', JSON.stringify({ service: 'model', keys }), {
        ...headers,
        accept: 'application/vnd.msgpack',
        traceparent: `00-${String(number).padStart(32, '1')}-${'1'.repeat(16)}-00`,
      })
    default:
      return json('/v1/get', { service: 'model', keys })
  }
}
