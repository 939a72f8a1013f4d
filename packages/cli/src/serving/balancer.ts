// As small as a balancer can be that does what balancers do: sends each request to one of the servers that say they are
// ready, over connections that stay open, and never sends one twice.
import { Agent, createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 50

/** A balancer over servers that come and go. */
export class Balancer implements AsyncDisposable {
  readonly #server: Server
  readonly #ports: readonly number[]
  readonly #ready = new Set<number>()
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #polling: Promise<void>
  #turn = 0
  #isOver = false
  /** Answers that came from each port. */
  readonly answered: Map<number, number>

  private constructor(ports: readonly number[]) {
    this.#ports = ports
    this.answered = new Map(ports.map((port) => [port, 0]))
    this.#server = createServer((incoming, outgoing) => {
      const ready = [...this.#ready]
      if (ready.length === 0) {
        outgoing.writeHead(502, { 'content-length': '0' }).end()
        return
      }
      const port = ready[this.#turn++ % ready.length]!
      const { method, url, headers } = incoming
      const asked = request(
        { host: '127.0.0.1', port, method, path: url, headers, agent: this.#agent },
        (answer) => {
          this.answered.set(port, this.answered.get(port)! + 1)
          const { connection: _, 'keep-alive': __, ...rest } = answer.headers
          outgoing.writeHead(answer.statusCode!, rest)
          answer.pipe(outgoing)
        },
      )
      asked.once('error', () => {
        if (outgoing.headersSent) outgoing.destroy()
        else outgoing.writeHead(502, { 'content-length': '0' }).end()
      })
      incoming.pipe(asked)
    })
    this.#polling = this.#poll()
  }

  /** Begins to balance, once each of the ports is ready. */
  static async open(ports: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports)
    await new Promise<void>((resolve) => balancer.#server.listen(0, '127.0.0.1', resolve))
    for (const port of ports) await balancer.until(port, true)
    return balancer
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Waits until a server is in, or out. */
  async until(port: number, isReady: boolean): Promise<void> {
    while (this.#ready.has(port) !== isReady) await sleep(10)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#polling
    this.#agent.destroy()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #poll(): Promise<void> {
    while (!this.#isOver) {
      for (const port of this.#ports) {
        const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
        if (answer?.status === 200) this.#ready.add(port)
        else this.#ready.delete(port)
        await answer?.arrayBuffer()
      }
      await sleep(POLL_MS)
    }
  }
}
