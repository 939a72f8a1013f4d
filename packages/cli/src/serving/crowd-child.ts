// Connections that ask nothing: `crowd-child.ts PORT SILENT DRIPPING`. The silent ones say nothing at all, the dripping ones a
// byte of a header every now and then. Writes `open` when all of them are, and at the end how many the server has closed.
import { connect } from 'node:net'
import { writeSync } from 'node:fs'

const AT_ONCE = 200
const DRIP_MS = 250

const [port, silent, dripping] = process.argv.slice(2).map(Number) as [number, number, number]
const counts = { opened: 0, closed: 0, failed: 0 }
for (let number = 0; number < silent + dripping; number += AT_ONCE) {
  const some = Array.from({ length: Math.min(AT_ONCE, silent + dripping - number) }, async (_, at) => {
    await open(number + at < dripping)
  })
  await Promise.all(some)
}
writeSync(1, `${JSON.stringify({ open: true, ...counts })}\n`)

async function open(drips: boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let drip: NodeJS.Timeout | undefined
    let isOpen = false
    socket.once('connect', () => {
      isOpen = true
      counts.opened++
      if (drips) {
        socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ')
        drip = setInterval(() => socket.write('y'), DRIP_MS)
      }
      resolve()
    })
    socket.on('error', () => undefined)
    socket.resume()
    socket.once('close', () => {
      clearInterval(drip)
      counts[isOpen ? 'closed' : 'failed']++
      if (counts.closed + counts.failed === silent + dripping) {
        writeSync(1, `${JSON.stringify({ open: false, ...counts })}\n`)
      }
      resolve()
    })
  })
}
