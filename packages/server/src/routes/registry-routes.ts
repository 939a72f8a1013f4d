import type { ConsumerRequest } from '@asof/client'
import type { LineageDirection } from '@asof/core'
import type { RouteModule } from '../context.ts'
import { answer } from '../negotiate.ts'

const TEXT = { type: 'string' } as const
const TEXTS = { type: 'array', items: TEXT } as const
const NAME = { type: 'string', minLength: 1, maxLength: 200 } as const
const REFERENCE = {
  type: 'string',
  minLength: 1,
  maxLength: 300,
  description: 'A reference: `group:feature`, `group@2`, a service, a source, `model/NAME@VERSION`, …',
} as const

/** What of the registry can be asked: search, lineage, impact; and who reads a service can be registered. */
export const registryRoutes: RouteModule = (server, { store }) => {
  server.get<{ Querystring: { q: string; limit?: string } }>(
    '/v1/search',
    {
      schema: {
        summary: 'Search the registry',
        description:
          'Features, groups, services, sources and entities of every project by words, the best first; mistakes in typing are forgiven where too little is found. `tag:`, `owner:`, `entity:`, `type:`, `status:`, `project:` and `kind:` narrow the search.',
        tags: ['registry'],
        operationId: 'search',
        querystring: {
          type: 'object',
          required: ['q'],
          additionalProperties: false,
          properties: {
            q: { type: 'string', minLength: 1, maxLength: 500, description: 'Words.' },
            limit: { type: 'string', pattern: '^[1-9][0-9]{0,2}$', description: 'How many; 20 by default.' },
          },
        },
        response: {
          200: {
            type: 'object',
            required: ['results', 'total'],
            properties: {
              results: {
                type: 'array',
                items: { type: 'object', required: ['id'], properties: { id: TEXT } },
                description: 'The best first.',
              },
              total: { type: 'integer', minimum: 0, description: 'How many there are in all.' },
              notes: {
                type: 'array',
                items: { type: 'string' },
                description: 'What of the query cannot be meant so: filters and values that there are not.',
              },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { q, limit } = request.query
      return answer(
        request,
        reply,
        await store.search(q, limit === undefined ? {} : { limit: Number(limit) }),
      )
    },
  )
  server.get<{ Querystring: { of: string; direction?: LineageDirection } }>(
    '/v1/lineage',
    {
      schema: {
        summary: 'Where something comes from and where it goes',
        description:
          'From source columns over features to services and models, by column where the SQL tells.',
        tags: ['registry'],
        operationId: 'lineage',
        querystring: {
          type: 'object',
          required: ['of'],
          additionalProperties: false,
          properties: {
            of: REFERENCE,
            direction: { type: 'string', enum: ['up', 'down', 'both'], description: '`both` by default.' },
          },
        },
        response: {
          200: {
            type: 'object',
            required: ['of', 'nodes', 'edges'],
            properties: {
              of: TEXTS,
              nodes: {
                type: 'array',
                items: {
                  type: 'object',
                  required: ['id', 'project', 'kind', 'name'],
                  properties: { id: TEXT, project: TEXT, kind: TEXT, name: TEXT },
                },
              },
              edges: {
                type: 'array',
                items: { type: 'object', required: ['from', 'to'], properties: { from: TEXT, to: TEXT } },
              },
            },
          },
        },
      },
    },
    async (request, reply) =>
      answer(request, reply, await store.lineage(request.query.of, request.query.direction)),
  )
  server.get<{ Querystring: { of: string } }>(
    '/v1/impact',
    {
      schema: {
        summary: 'What changes with something, and whom to tell',
        tags: ['registry'],
        operationId: 'impact',
        querystring: {
          type: 'object',
          required: ['of'],
          additionalProperties: false,
          properties: { of: REFERENCE },
        },
        response: {
          200: {
            type: 'object',
            required: ['of', 'features', 'services', 'models', 'tell'],
            properties: {
              of: TEXTS,
              sources: TEXTS,
              features: TEXTS,
              onDemand: TEXTS,
              services: { type: 'array', items: { type: 'object' } },
              models: { type: 'array', items: { type: 'object' } },
              tell: { type: 'array', items: { type: 'object' } },
            },
          },
        },
      },
    },
    async (request, reply) => answer(request, reply, await store.impact(request.query.of)),
  )
  server.post<{ Body: ConsumerRequest }>(
    '/v1/consumers',
    {
      config: { scope: 'write' },
      schema: {
        summary: 'Register a model that reads a service',
        description: 'From then on plans that would break it name it and its team.',
        tags: ['registry'],
        operationId: 'addConsumer',
        body: {
          type: 'object',
          required: ['service', 'model', 'version', 'team'],
          additionalProperties: false,
          properties: { service: { ...NAME, maxLength: 63 }, model: NAME, version: NAME, team: NAME },
        },
        example: { service: 'delay_model', model: 'flight_delay', version: '2', team: 'ops-ml' },
        response: {
          200: {
            type: 'object',
            required: ['committed'],
            properties: {
              committed: { type: 'boolean', description: 'False where it was registered already.' },
              revision: { type: 'integer', description: 'Revision of the registry.' },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { service, model, version, team } = request.body
      const { committed, snapshot } = await store.addConsumer(service, { model, version, team })
      return answer(request, reply, { committed, revision: snapshot.revision?.number })
    },
  )
}
