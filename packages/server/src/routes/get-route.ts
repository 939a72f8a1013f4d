import { MEDIA_TYPE, PATHS, type GetRequest, type WireInstant } from '@asof/client'
import {
  givenInstant,
  invalid,
  jsonForm,
  parseInstant,
  STATUSES,
  valueFromJson,
  type FeatureType,
  type Instant,
  type LookUpOptions,
  type Question,
  type ServicePlan,
} from '@asof/core'
import type { FastifyReply } from 'fastify'
import { cellsOf, countStatuses, deprecatedGroups, type AnswerWish } from '../answers/answer-parts.ts'
import { jsonAnswer } from '../answers/json-answer.ts'
import { msgpackAnswer } from '../answers/msgpack-answer.ts'
import type { RouteModule } from '../context.ts'
import { answerForm, bodyForm, JSON_TYPE, type Form } from '../negotiate.ts'
import { endStage } from '../stages.ts'
import { GET_ANSWER, GET_BODY } from './get-schema.ts'
import { packedForm } from './pushed-rows.ts'

/** `POST /v1/get`: features of one entity or of many. */
export const getRoute: RouteModule = (server, { store, telemetry, limits }) => {
  server.post<{ Body: GetRequest }>(
    PATHS.get,
    {
      schema: {
        summary: 'Look up features',
        description:
          'The features of one entity or of many, of a service or by reference: now, at a decision time of the last hour, or as of any past instant. One read of the store, whatever their number.',
        tags: ['get'],
        operationId: 'get',
        body: GET_BODY,
        example: { service: 'delay_model', keys: { origin: 'LAX', destination: 'SFO' } },
        response: { 200: GET_ANSWER },
      },
    },
    async (request, reply) => {
      const began = performance.now()
      const { body } = request
      checkAlternatives(body)
      const form = bodyForm(request)
      const answering = answerForm(request)
      const service = body.service ?? { features: body.features! }
      const options = lookUpOptions(body, limits.deadlineMsMax)
      const questions = (plan: ServicePlan): readonly Question[] => {
        const asked = body.entities ?? [{ keys: body.keys! }]
        checkSize(asked.length, plan.outputs.length, limits.answerValuesMax)
        return asked.map((each, index) => questionOf(plan, each, body.request, form, index))
      }
      const found = await store.lookUp(service, questions, options)
      const { name } = found.plan.shape.service
      const read = endStage(telemetry, request, 'lookup', began, name)
      const cells = cellsOf(found, limits.answerBytesMax)
      const assembled = endStage(telemetry, request, 'assemble', read, name)
      const { plan } = found
      const wish: AnswerWish = {
        columns: body.form === 'columns',
        include: new Set(body.include),
        listed: body.features,
      }
      void reply.header('asof-fingerprint', plan.fingerprint)
      announceDeprecation(reply, plan)
      const written =
        answering === 'json' ? jsonAnswer(found, wish, cells) : msgpackAnswer(found, wish, cells)
      for (const [status, count] of countStatuses(cells).entries()) {
        if (count > 0) telemetry.count('asof_values', count, { service: name, status: STATUSES[status]! })
      }
      endStage(telemetry, request, 'write', assembled, name)
      return reply.type(answering === 'json' ? JSON_TYPE : MEDIA_TYPE.msgpack).send(written)
    },
  )
}

/** Of two ways to say one thing a body has one; that it has any the schema says. */
function checkAlternatives(body: GetRequest): void {
  for (const [one, other] of [
    ['service', 'features'],
    ['keys', 'entities'],
  ] as const) {
    if (body[one] === undefined || body[other] === undefined) continue
    throw invalid('invalid_request', `give ${one} or ${other}, not both`, { path: 'body', property: other })
  }
}

function lookUpOptions(body: GetRequest, deadlineMsMax: number): LookUpOptions {
  const { at, asOf, expect, deadlineMs } = body
  return {
    ...(at !== undefined && { at: instantOf(at) }),
    ...(asOf !== undefined && { asOf: instantOf(asOf) }),
    ...(expect !== undefined && { expect }),
    ...(deadlineMs !== undefined && { deadline: Math.min(deadlineMs, deadlineMsMax) }),
  }
}

function instantOf(given: WireInstant): Instant {
  return typeof given === 'string' ? parseInstant(given) : givenInstant(given)
}

type Values = Readonly<Record<string, unknown>>

function questionOf(
  { shape }: ServicePlan,
  { keys, request }: { readonly keys: Values; readonly request?: Values },
  shared: Values | undefined,
  form: Form,
  index: number,
): Question {
  const inputs = request ?? shared
  return {
    keys: readValues(shape.keys, keys, form, `keys[${index}]`),
    ...(inputs !== undefined && { request: readValues(shape.request, inputs, form, 'request') }),
  }
}

/** Values by their declared types; a name that is not declared stays, so that the lookup refuses it. */
function readValues(
  declared: readonly { readonly name: string; readonly type: FeatureType }[],
  given: Values,
  form: Form,
  path: string,
): Values {
  const values = Object.create(null) as Record<string, unknown>
  for (const name of Object.keys(given)) values[name] = given[name]
  for (const { name, type } of declared) {
    if (!Object.hasOwn(given, name)) continue
    const value = given[name]
    values[name] =
      form === 'json'
        ? valueFromJson(type, jsonForm(type, value), `${path}.${name}`)
        : packedForm(type, value)
  }
  return values
}

function checkSize(entities: number, features: number, answerValuesMax: number): void {
  if (entities * features <= answerValuesMax) return
  throw invalid('answer_too_large', 'ask for fewer entities at once', { entities, features, answerValuesMax })
}

const deprecations = new WeakMap<ServicePlan, Readonly<Record<string, string>>>()

/** Says in headers that the answer reads a group which will not be there for ever (RFC 9745 and 8594). */
function announceDeprecation(reply: FastifyReply, plan: ServicePlan): void {
  let headers = deprecations.get(plan)
  if (headers === undefined) deprecations.set(plan, (headers = deprecationHeaders(plan)))
  if (headers !== NOT_DEPRECATED) void reply.headers(headers)
}

const NOT_DEPRECATED: Readonly<Record<string, string>> = {}

function deprecationHeaders(plan: ServicePlan): Readonly<Record<string, string>> {
  const groups = deprecatedGroups(plan)
  if (groups.length === 0) return NOT_DEPRECATED
  const [first] = groups.flatMap(({ after }) => after ?? []).sort()
  if (first === undefined) return { deprecation: '@0' }
  const ends = new Date(`${first}T00:00:00Z`)
  return { deprecation: `@${ends.getTime() / 1_000}`, sunset: ends.toUTCString() }
}
