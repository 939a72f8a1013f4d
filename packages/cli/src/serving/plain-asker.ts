// Asks a server over a plain socket that stays open: an HTTP client would cost more than the server that is asked.
import { connect, type Socket } from 'node:net'

/** One connection; requests on it are answered one after the other. */
export class PlainAsker implements Disposable {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #waiting: { readonly resolve: (status: number) => void; readonly reject: (error: Error) => void }[] = []
  /** Whether the server has ended the connection, or said with its last answer that it will. */
  isOver = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      while (this.#take());
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isOver = true
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the server ended the connection'))
    })
  }

  /** Connects to a port of this machine. */
  static async open(port: number): Promise<PlainAsker> {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new PlainAsker(socket)
  }

  /** Sends a whole request; resolves with the status of its answer. */
  async ask(request: Uint8Array): Promise<number> {
    return await new Promise((resolve, reject) => {
      if (this.isOver) return reject(new Error('the server ended the connection'))
      this.#waiting.push({ resolve, reject })
      this.#socket.write(request)
    })
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  /** Takes one answer out of what was received, where it is there whole. */
  #take(): boolean {
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return false
    const head = this.#received.toString('latin1', 0, end)
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1])
    if (Number.isNaN(length)) throw new Error(`an answer without a length: ${head}`)
    if (this.#received.length < end + 4 + length) return false
    this.#received = this.#received.subarray(end + 4 + length)
    if (/^connection: *close/im.test(head)) this.isOver = true
    this.#waiting.shift()?.resolve(Number(head.slice(9, 12)))
    return true
  }
}

/** The bytes of a request: a POST with a body, else a GET. */
export function requestBytes(
  path: string,
  body?: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const content = body === undefined ? Buffer.alloc(0) : Buffer.from(body as string)
  const given = {
    host: '127.0.0.1',
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': String(content.length),
    }),
    ...headers,
  }
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), content])
}
