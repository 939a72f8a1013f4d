import { connect, type Socket } from 'node:net'
import { quantile } from './comparison.ts'

/** What asking a server for some time gave. */
export interface Load {
  /** Answers in a second. */
  readonly rate: number
  /** Time from the request's last byte to the answer's, in microseconds. */
  readonly p50: number
  readonly p99: number
}

/** What to ask, and how hard. */
export interface LoadRequest {
  readonly port: number
  readonly path: string
  /** Bodies of JSON, asked in turn. */
  readonly bodies: readonly string[]
  /** Connections; each asks again when it has its answer. */
  readonly connections: number
  readonly milliseconds: number
}

/**
 * Asks over plain sockets that stay open: an HTTP client would cost more than some of the servers that are measured.
 *
 * @throws {Error} for an answer that is not 200, and for a connection that ends
 */
export async function load(request: LoadRequest): Promise<Load> {
  const requests = request.bodies.map((body) => requestBytes(request.path, body))
  const times: number[] = []
  let asked = 0
  const start = performance.now()
  const end = start + request.milliseconds
  await Promise.all(
    Array.from({ length: request.connections }, async () => {
      const socket = await open(request.port)
      const answers = answersOf(socket)
      try {
        while (performance.now() < end) {
          const from = performance.now()
          socket.write(requests[asked++ % requests.length]!)
          await answers.next()
          times.push(performance.now() - from)
        }
      } finally {
        socket.destroy()
      }
    }),
  )
  const seconds = (performance.now() - start) / 1_000
  const sorted = Float64Array.from(times).sort()
  return {
    rate: times.length / seconds,
    p50: quantile(sorted, 0.5) * 1_000,
    p99: quantile(sorted, 0.99) * 1_000,
  }
}

function requestBytes(path: string, body: string): Buffer {
  const length = Buffer.byteLength(body)
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
  return Buffer.from(head + body)
}

async function open(port: number): Promise<Socket> {
  return await new Promise((done, reject) => {
    const socket = connect(port, '127.0.0.1', () => done(socket))
    socket.setNoDelay(true)
    socket.once('error', reject)
  })
}

/** Waits for one answer after the other. */
function answersOf(socket: Socket): { next(): Promise<void> } {
  let received: Buffer = Buffer.alloc(0)
  let waiting: { readonly done: () => void; readonly reject: (error: Error) => void } | undefined
  const look = (): void => {
    const head = received.indexOf('\r\n\r\n')
    if (head < 0 || waiting === undefined) return
    const text = received.toString('latin1', 0, head)
    const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1])
    if (received.length < head + 4 + length) return
    const { done, reject } = waiting
    waiting = undefined
    if (text.startsWith('HTTP/1.1 200') && !Number.isNaN(length)) done()
    else reject(new Error(`an answer that was not expected: ${text}`))
    received = received.subarray(head + 4 + length)
  }
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    look()
  })
  socket.on('close', () => waiting?.reject(new Error('the server ended the connection')))
  return {
    next: async () =>
      await new Promise<void>((done, reject) => {
        waiting = { done, reject }
        look()
      }),
  }
}
