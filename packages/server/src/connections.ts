import type { Socket } from 'node:net'
import type { RouteModule } from './context.ts'

/** Bounds connections: all of them, and those from one address, so that nobody takes what others need. */
export const connectionCaps: RouteModule = (server, { state, limits, telemetry }) => {
  const byAddress = new Map<string, number>()
  server.server.maxConnections = limits.connectionsMax
  server.server.on('drop', () => telemetry.count('asof_connections_refused', 1, { reason: 'all' }))
  server.server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (byAddress.get(address) ?? 0) + 1
    if (count > limits.connectionsPerAddressMax && !isLoopback(address)) {
      telemetry.count('asof_connections_refused', 1, { reason: 'address' })
      socket.destroy()
      return
    }
    byAddress.set(address, count)
    state.connections++
    socket.once('close', () => {
      state.connections--
      const left = byAddress.get(address)! - 1
      if (left === 0) byAddress.delete(address)
      else byAddress.set(address, left)
    })
  })
}

/** Whether an address is one that only this machine reaches; a proxy on it speaks for many. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}
