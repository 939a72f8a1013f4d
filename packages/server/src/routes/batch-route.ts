import type { Readable } from 'node:stream'
import { AsofError, groupId } from '@asof/core'
import type { FastifyRequest } from 'fastify'
import type { RouteModule } from '../context.ts'
import { answer, answerForm } from '../negotiate.ts'
import { endStage } from '../stages.ts'
import { incomingFolder, tooLarge } from './incoming.ts'
import { patiently } from './patience.ts'
import { countPushed, GROUP_PARAMS, PUSH_ANSWER, pushAnswer } from './push-route.ts'
import { Turns } from './turns.ts'

/** The forms of a batch, by content type. */
const FORMATS: Readonly<Record<string, 'jsonl' | 'csv' | 'parquet'>> = {
  'application/x-ndjson': 'jsonl',
  'text/csv': 'csv',
  'application/vnd.apache.parquet': 'parquet',
}

interface BatchRequest {
  Params: { group: string }
  Querystring: { producer: string; sequence: string; wait?: 'applied' }
  Body: Readable
}

/**
 * `POST /v1/groups/{group}/batches`: one whole file of rows, appended durably by one record of the log.
 *
 * @param folder where bodies lie while they arrive; the store's engine has to be able to read there
 */
export const batchRoute =
  (folder: string): RouteModule =>
  (server, { store, telemetry, limits, state }) => {
    const incoming = incomingFolder(folder)
    const turns = new Turns(limits.batchesAtOnceMax, limits.batchesInFlightMax)
    const path = '/v1/groups/:group/batches'
    for (const type of Object.keys(FORMATS)) {
      server.addContentTypeParser(type, (request, payload, done) => {
        if (request.routeOptions.url === path) done(null, payload)
        else
          done(new AsofError('invalid', 'unsupported_media_type', 'send a content type that this path takes'))
      })
    }
    server.post<BatchRequest>(
      path,
      {
        config: { scope: 'write' },
        bodyLimit: limits.batchBodyBytesMax,
        onRequest: (request, reply, done) => {
          const refusal = refusalOf(request, limits.batchBodyBytesMax)
          // What is left of the body is not waited for.
          if (refusal !== undefined) void reply.header('connection', 'close')
          done(refusal)
        },
        schema: {
          summary: 'Push a whole batch',
          description:
            'Appends a file of rows to a group, once for its `producer` and `sequence`. Rows that do not fit go to the quarantine, the others become one record of the log.',
          tags: ['push'],
          operationId: 'pushBatch',
          params: GROUP_PARAMS,
          querystring: {
            type: 'object',
            required: ['producer', 'sequence'],
            additionalProperties: false,
            properties: {
              producer: { type: 'string', minLength: 1, maxLength: 512, description: 'Who pushes.' },
              sequence: {
                type: 'string',
                pattern: '^-?[0-9]{1,16}$',
                description: 'A whole number that rises with each batch of a producer.',
              },
              wait: { type: 'string', enum: ['applied'], description: 'Answer when lookups see the rows.' },
            },
          },
          body: {
            content: Object.fromEntries(
              Object.keys(FORMATS).map((type) => [
                type,
                {
                  schema: {
                    description:
                      'Columns as the rows of a push: keys, `event_timestamp`, features, `_deleted`.',
                  },
                },
              ]),
            ),
          },
          response: {
            200: {
              type: 'object',
              required: ['duplicate', 'accepted', 'quarantined', 'rejected', 'position', 'at'],
              properties: {
                ...PUSH_ANSWER,
                rejected: {
                  type: 'integer',
                  minimum: 0,
                  description: 'Rows that are in the quarantine because they do not fit the group.',
                },
                unchanged: {
                  type: 'integer',
                  minimum: 0,
                  description: 'Rows that say the same as the one before them with their key and event time.',
                },
                reasons: {
                  type: 'object',
                  additionalProperties: { type: 'integer' },
                  description: 'Rows in the quarantine, by reason.',
                },
              },
            },
          },
        },
      },
      async (request, reply) => {
        const { producer, sequence, wait } = request.query
        const answering = answerForm(request)
        // Until the whole body is there, an answer ends the connection.
        void reply.header('connection', 'close')
        const group = groupId((await store.groupPlan(request.params.group)).group.definition)
        const result = await turns.take(async (turn) => {
          const received = await incoming.receive(request.body, limits.batchBodyBytesMax)
          if (state.stage !== 'draining') void reply.removeHeader('connection')
          try {
            telemetry.observe('asof_pushed_bytes', received.bytes, { kind: 'batch' })
            await turn()
            const started = performance.now()
            const pushed = await store.pushBatch(
              group,
              { path: received.path, format: formatOf(request)! },
              { producer, sequence: Number(sequence) },
            )
            endStage(telemetry, request, 'stage', started)
            return pushed
          } finally {
            await incoming.discard(received.path)
          }
        })
        countPushed(telemetry, group, 0, result)
        if (wait === 'applied') {
          await patiently(limits.waitMsMax, async (signal) => await store.drain({ offline: false, signal }))
        }
        return answer(request, reply, pushAnswer(result, answering))
      },
    )
  }

function formatOf(request: FastifyRequest): 'jsonl' | 'csv' | 'parquet' | undefined {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  return Object.hasOwn(FORMATS, type) ? FORMATS[type] : undefined
}

/** What can be refused before a byte of the body is read. */
function refusalOf(request: FastifyRequest, bytesMax: number): AsofError | undefined {
  const { 'content-encoding': encoding = 'identity', 'content-length': length } = request.headers
  if (formatOf(request) === undefined || encoding.toLowerCase() !== 'identity') {
    return new AsofError('invalid', 'unsupported_media_type', 'send a batch as it is, in one of the forms', {
      forms: Object.keys(FORMATS).join(', '),
    })
  }
  if (length !== undefined && Number(length) > bytesMax) return tooLarge(bytesMax)
  return undefined
}
