// Our side of the HTTP benchmark, as a process: the feature server over the store of the lookup benchmark: FOLDER PORT.
import { createServer } from '@asof/server'
import { project } from '@asof/core'
import { openFeatureStore } from 'asof'
import { profile } from './lookup-data.ts'

const [folder, port] = process.argv.slice(2) as [string, string]
const store = await openFeatureStore({ project: project('bench', [profile]), projectFolder: folder })
store.start()
const server = createServer({ store })
await server.listen({ host: '127.0.0.1', port: Number(port) })
process.once('SIGTERM', () => {
  void server.close().then(async () => await store.close())
})
