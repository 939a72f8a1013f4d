import type { PushRequest } from '@asof/client'
import { formatInstant, groupId, invalid, type PushName, type PushResult, type Telemetry } from '@asof/core'
import type { RouteModule } from '../context.ts'
import { answer, answerForm, bodyForm, type Form } from '../negotiate.ts'
import { endStage } from '../stages.ts'
import { heldBodies } from './held-bodies.ts'
import { patiently } from './patience.ts'
import { pushedRows } from './pushed-rows.ts'

/** A group as paths name it: `name` for its newest active version, or `name@version`. */
export const GROUP_PARAMS = {
  type: 'object',
  required: ['group'],
  properties: {
    group: {
      type: 'string',
      pattern: '^[a-z][a-z0-9_]{0,62}(@[1-9][0-9]{0,8})?$',
      description: 'A group by `name`, which means its newest active version, or by `name@version`.',
    },
  },
} as const

/** What every push answers. */
export const PUSH_ANSWER = {
  duplicate: {
    type: 'boolean',
    description: 'A push of this name, or of a later sequence, was appended before; nothing was done.',
  },
  accepted: { type: 'integer', minimum: 0, description: 'Rows that were appended.' },
  quarantined: {
    type: 'integer',
    minimum: 0,
    description: 'Rows refused because they are dated too far ahead.',
  },
  position: { type: 'integer', minimum: 0, description: 'Where the rows stand in the log.' },
  at: { type: 'string', format: 'date-time', description: 'When they were appended: their created time.' },
} as const

/** `POST /v1/groups/{group}/rows`: whole rows, appended durably, all or none. */
export const pushRoute: RouteModule = (server, { store, telemetry, limits }) => {
  server.post<{ Params: { group: string }; Body: PushRequest }>(
    '/v1/groups/:group/rows',
    {
      config: { scope: 'write' },
      bodyLimit: limits.pushBodyBytesMax,
      preParsing: heldBodies(limits.pushBodiesBytesMax),
      schema: {
        summary: 'Push rows',
        description:
          'Appends whole rows to a group: all of them, or none. The answer comes when they are durable; with `wait` when lookups see them. A repeat of `producer` and `sequence` is answered as a duplicate.',
        tags: ['push'],
        operationId: 'pushRows',
        params: GROUP_PARAMS,
        body: {
          type: 'object',
          required: ['rows'],
          additionalProperties: false,
          properties: {
            rows: {
              type: 'array',
              items: { type: 'object' },
              description:
                'Each has the keys of the entity, `event_timestamp`, and every feature (null is a value), or `_deleted: true` and no feature.',
            },
            producer: { type: 'string', minLength: 1, maxLength: 512, description: 'Who pushes.' },
            sequence: {
              type: 'integer',
              description:
                'Rises with each push of a producer, which sends one after the answer to the last.',
            },
            wait: { type: 'string', enum: ['applied'], description: 'Answer when lookups see the rows.' },
          },
        },
        response: {
          200: {
            type: 'object',
            required: ['duplicate', 'accepted', 'quarantined', 'position', 'at'],
            properties: {
              ...PUSH_ANSWER,
              superseded: {
                type: 'integer',
                minimum: 0,
                description: 'With `wait`: rows older than what is stored under their keys.',
              },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { rows, producer, sequence, wait } = request.body
      const plan = await store.groupPlan(request.params.group)
      const group = groupId(plan.group.definition)
      const form = bodyForm(request)
      const answering = answerForm(request)
      const started = performance.now()
      const pushed = pushedRows(plan, rows, form)
      const name = nameOf(producer, sequence)
      const json = form === 'json'
      const result =
        wait === undefined
          ? await store.push(group, pushed, name, { json })
          : await patiently(
              limits.waitMsMax,
              async (signal) => await store.push(group, pushed, name, { json, wait, signal }),
            )
      endStage(telemetry, request, 'push', started)
      countPushed(telemetry, group, rows.length, result)
      return answer(request, reply, pushAnswer(result, answering))
    },
  )
}

/** What a push answers, its instant in the form of the answer. */
export function pushAnswer<Result extends PushResult>(result: Result, form: Form): object {
  return { ...result, at: form === 'json' ? formatInstant(result.at) : BigInt(result.at) }
}

/** Counts what became of the rows of one push. */
export function countPushed(
  telemetry: Telemetry,
  group: string,
  rows: number,
  result: PushResult & { readonly rejected?: number; readonly superseded?: number },
): void {
  const count = (outcome: string, by: number): void => {
    if (by > 0) telemetry.count('asof_pushed_rows', by, { group, outcome })
  }
  if (result.duplicate) count('duplicate', rows)
  count('accepted', result.accepted)
  count('quarantined', result.quarantined)
  count('rejected', result.rejected ?? 0)
  count('superseded', result.superseded ?? 0)
}

function nameOf(producer: string | undefined, sequence: number | undefined): PushName | undefined {
  if (producer !== undefined && sequence !== undefined) return { producer, sequence }
  if (producer === undefined && sequence === undefined) return undefined
  throw invalid('invalid_push_name', 'a push is named by producer and sequence together')
}
