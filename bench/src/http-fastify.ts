// The rival of the HTTP benchmark that does nothing: Fastify answering each POST with one ready-made object: PORT JSONFILE.
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'

const [port, file] = process.argv.slice(2) as [string, string]
const answer: unknown = JSON.parse(readFileSync(file, 'utf8'))
const server = Fastify()
server.post('/v1/get', () => answer)
await server.listen({ host: '127.0.0.1', port: Number(port) })
