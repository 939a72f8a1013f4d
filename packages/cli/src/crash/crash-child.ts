// Works on a store until it is killed: `crash-child.ts FOLDER push | materialize`.
import { writeSync } from 'node:fs'
import { MICROS, type Instant } from '../index.ts'
import { clicks, FIRST, hourly, LAST, openCrashStore } from './crash-project.ts'

const [folder, job, first = '0'] = process.argv.slice(2)
const store = await openCrashStore(folder!)
if (job === 'materialize') {
  writeSync(1, 'ready\n')
  // Three runs a commit, so that the kills meet many of them.
  for (let to = FIRST; to <= LAST; to += 3 * MICROS.hour)
    await store.materialize(hourly, { to: to as Instant })
} else {
  store.start()
  for (let sequence = Number(first); ; sequence++) {
    const at = new Date().toISOString()
    const rows = [0, 1, 2].map((user) => ({ user: `u${user}`, event_timestamp: at, count: BigInt(sequence) }))
    await store.push(clicks, rows, { producer: 'child', sequence })
    // Written in one system call, so that what is read was acknowledged.
    writeSync(1, `${sequence}\n`)
  }
}
await store.close()
