// Serves a store until it is killed: `server-child.ts FOLDER`; says where, once it answers.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from '@asof/server'
import { openCrashStore } from './crash-project.ts'

const [folder] = process.argv.slice(2)
const store = await openCrashStore(folder!)
store.start()
const server = createServer({ store, incoming: join(folder!, '.asof/incoming') })
const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
writeSync(1, `${url}\n`)
