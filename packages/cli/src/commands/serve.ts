import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { FeatureStore, FeatureType, JsonValue } from '@asof/core'
import {
  checkHost,
  createServer,
  jsonLog,
  metricsRoute,
  requestLog,
  serverMetrics,
  tokenFile,
  tracing,
  type LogLevel,
} from '@asof/server'
import { wholeArgument } from '../command-values.ts'
import { openFeatureStore } from '../embedded.ts'
import { findProject, type ProjectOptions } from '../find-project.ts'
import { noteUnapplied } from '../note-unapplied.ts'
import type { Terminal } from '../terminal.ts'
import { asofVersion } from '../version.ts'

/** `asof serve`: answers lookups and takes rows over HTTP, until it is told to stop. */
export async function serve(
  terminal: Terminal,
  options: ProjectOptions & {
    readonly host: string
    readonly port: string
    readonly tokenFile?: string
    readonly drainMs: string
    readonly logLevel: LogLevel
  },
): Promise<void> {
  const port = wholeArgument(options.port, '--port', 0)
  const drainMs = wholeArgument(options.drainMs, '--drain-ms', 0)
  const log = jsonLog({ level: options.logLevel })
  checkHost(options.host, options.tokenFile !== undefined)
  const tokens = options.tokenFile === undefined ? undefined : tokenFile(resolve(options.tokenFile), log)
  const metrics = serverMetrics()
  const { config, projectFolder } = await findProject(options)
  const { telemetry } = metrics
  await using store = await openFeatureStore({ ...config, projectFolder, telemetry })
  await noteUnapplied(terminal, store)
  const incoming = join(resolve(projectFolder, config.folder ?? '.asof'), 'incoming')
  await mkdir(incoming, { recursive: true })
  await using server = createServer({
    store,
    log,
    telemetry,
    incoming,
    version: asofVersion,
    watchers: [tracing, requestLog, metricsRoute(metrics)],
    ...(tokens && { tokens }),
  })
  store.start()
  const { url } = await server.listen({ host: options.host, port })
  const secured = tokens !== undefined
  const example = await exampleOf(store, url, secured)
  terminal.answer({ url, docs: `${url}/docs`, project: store.project, secured, example }, () =>
    [
      `${terminal.colours.bold(`asof serves ${store.project} at ${url}`)}; Ctrl-C stops it`,
      `  reference  ${url}/docs`,
      ...(example === undefined ? [] : [`  try        ${example}`]),
    ].join('\n'),
  )
  await new Promise<void>((resolve) => {
    if (terminal.signal.aborted) resolve()
    else terminal.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  log.info({ drainMs }, 'stopping')
  await server.close({ drainMs })
  await store.close()
  log.info({}, 'stopped')
  log.flush()
}

/** A command line that asks for the first service. */
async function exampleOf(store: FeatureStore, url: string, secured: boolean): Promise<string | undefined> {
  const [name] = [...(await store.snapshot()).services.keys()].sort()
  if (name === undefined) return undefined
  const { shape } = await store.servicePlan(name)
  const samples = (fields: readonly { readonly name: string; readonly type: FeatureType }[]) =>
    Object.fromEntries(fields.map(({ name, type }) => [name, sample(type)]))
  const keys = samples(shape.keys)
  const inputs = shape.request.length > 0 && { request: samples(shape.request) }
  const token = secured ? ` -H 'authorization: Bearer TOKEN'` : ''
  const body = JSON.stringify({ service: name, keys, ...inputs })
  return `curl -s ${url}/v1/get -H 'content-type: application/json'${token} -d '${body}'`
}

function sample(type: FeatureType): JsonValue {
  switch (type.kind) {
    case 'string':
      return 'a'
    case 'bool':
      return true
    case 'int64':
      return type.as === 'number' ? 1 : '1'
    case 'timestamp':
      return '2024-01-31T12:00:00Z'
    case 'bytes':
      return 'YQ=='
    case 'list':
      return [sample(type.element)]
    case 'vector':
      return Array.from({ length: type.size }, () => 1)
    case 'map':
      return {}
    case 'struct':
      return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, sample(field)]))
    default:
      return 1
  }
}
