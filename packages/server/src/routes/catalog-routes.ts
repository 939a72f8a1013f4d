import {
  consumersOf,
  formatInstant,
  groupId,
  notFound,
  type AppliedGroup,
  type GroupProgress,
  type Instant,
  type ServiceDefinition,
  type ServicePlan,
  type Snapshot,
  type StoreProgress,
} from '@asof/core'
import type { RouteModule } from '../context.ts'
import { answer, answerForm, type Form } from '../negotiate.ts'
import { GROUP_PARAMS } from './push-route.ts'

const TEXT = { type: 'string' } as const
const COUNT = { type: 'integer', minimum: 0 } as const
const INSTANT = { type: 'string', format: 'date-time' } as const
const DESCRIBED = {
  description: TEXT,
  owner: TEXT,
  tags: { type: 'array', items: TEXT },
} as const
const CONSUMERS = {
  type: 'array',
  description: 'The models that read it.',
  items: {
    type: 'object',
    required: ['model', 'version', 'team'],
    properties: { model: TEXT, version: TEXT, team: TEXT },
  },
} as const
const SERVICE_SUMMARY = {
  type: 'object',
  required: ['name', 'features', 'consumers'],
  properties: {
    name: TEXT,
    ...DESCRIBED,
    features: { ...COUNT, description: 'How many.' },
    consumers: CONSUMERS,
  },
} as const
const TYPED = {
  type: 'object',
  required: ['name', 'type'],
  properties: { name: TEXT, type: { type: 'object', description: 'As definitions write it.' } },
} as const
const GROUP_STANDING = {
  group: { type: 'string', description: '`name@version`' },
  status: { type: 'string', enum: ['staging', 'active', 'deprecated'] },
  entity: TEXT,
  ...DESCRIBED,
  online: { type: 'boolean', description: 'Whether lookups can read it.' },
  completeThrough: { ...INSTANT, description: 'The instant up to which lookups see all there is.' },
  freshnessSeconds: { type: 'number', description: 'How old that may be, where the group promises it.' },
  lagSeconds: { type: 'number', description: 'How old that is.' },
} as const

/** What the registry serves: services with what they are asked with, groups with where they stand. */
export const catalogRoutes: RouteModule = (server, { store }) => {
  server.get(
    '/v1/services',
    {
      schema: {
        summary: 'List services',
        tags: ['registry'],
        operationId: 'listServices',
        response: {
          200: {
            type: 'object',
            required: ['services'],
            properties: { services: { type: 'array', items: SERVICE_SUMMARY } },
          },
        },
      },
    },
    async (request, reply) => {
      const snapshot = await store.snapshot()
      const services = [...snapshot.services.values()].map((service) => summaryOf(snapshot, service))
      return answer(request, reply, { services: services.sort(byName) })
    },
  )
  server.get<{ Params: { name: string } }>(
    '/v1/services/:name',
    {
      schema: {
        summary: 'Describe a service',
        description: 'What it is asked with, its features with their types, its fingerprint, who reads it.',
        tags: ['registry'],
        operationId: 'getService',
        params: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string', pattern: '^[a-z][a-z0-9_]{0,62}$' } },
        },
        response: {
          200: {
            type: 'object',
            required: ['name', 'fingerprint', 'keys', 'request', 'features', 'consumers'],
            properties: {
              name: TEXT,
              ...DESCRIBED,
              fingerprint: TEXT,
              revision: COUNT,
              keys: { type: 'array', items: TYPED, description: 'Join keys, by the names a request gives.' },
              request: { type: 'array', items: TYPED, description: 'Inputs of on-demand features.' },
              features: { type: 'array', items: { ...TYPED, description: 'In the order of the vector.' } },
              consumers: CONSUMERS,
            },
          },
        },
      },
    },
    async (request, reply) => {
      const snapshot = await store.snapshot()
      const plan = await store.servicePlan(request.params.name)
      return answer(request, reply, serviceDocument(snapshot, plan))
    },
  )
  const progress = onceASecond(async () => await store.progress())
  server.get(
    '/v1/groups',
    {
      schema: {
        summary: 'List groups',
        tags: ['registry'],
        operationId: 'listGroups',
        response: {
          200: {
            type: 'object',
            required: ['groups'],
            properties: {
              groups: {
                type: 'array',
                items: { type: 'object', required: ['group', 'status'], properties: GROUP_STANDING },
              },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const form = answerForm(request)
      const [snapshot, standing] = [await store.snapshot(), await progress()]
      const groups = [...snapshot.groups.values()].map((group) => standingOf(group, standing, form))
      return answer(request, reply, { groups: groups.sort((a, b) => (a.group < b.group ? -1 : 1)) })
    },
  )
  server.get<{ Params: { group: string } }>(
    '/v1/groups/:group',
    {
      schema: {
        summary: 'Describe a group',
        description: 'Its definition, and where it stands.',
        tags: ['registry'],
        operationId: 'getGroup',
        params: GROUP_PARAMS,
        response: {
          200: {
            type: 'object',
            required: ['group', 'status', 'definition', 'keys'],
            properties: {
              ...GROUP_STANDING,
              keys: { type: 'array', items: TYPED, description: 'Join keys of its entity.' },
              definition: { type: 'object', description: 'As `asof export` prints it.' },
              rows: { ...COUNT, description: 'Rows in its offline table.' },
              tableVersion: COUNT,
              quarantined: { ...COUNT, description: 'Rows that were refused and wait for somebody.' },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const form = answerForm(request)
      const { group } = await store.groupPlan(request.params.group)
      const id = groupId(group.definition)
      const [standing] = await store.status(id)
      if (standing === undefined) throw notFound('group_not_found', 'group not found', { group: id })
      const { rows, tableVersion, quarantined } = standing
      return answer(request, reply, {
        ...standingOf(group, await progress(), form),
        rows,
        tableVersion,
        quarantined,
        keys: group.entity.keys,
        definition: group.definition,
      })
    },
  )
}

function summaryOf(snapshot: Snapshot, service: ServiceDefinition): { readonly name: string } {
  const { name, description, owner, tags, features } = service
  const consumers = consumersOf(snapshot, service)
  return { name, description, owner, tags, features: features.length, consumers } as { readonly name: string }
}

function serviceDocument(snapshot: Snapshot, plan: ServicePlan): object {
  const { service, keys, request } = plan.shape
  const { name, description, owner, tags } = service
  return {
    name,
    description,
    owner,
    tags,
    fingerprint: plan.fingerprint,
    revision: plan.revision,
    keys,
    request,
    features: service.features.map((feature, index) => ({
      name: feature.name,
      type: plan.outputs[index]!.type,
      group: `${feature.group}@${feature.version}`,
      feature: feature.feature,
      default: plan.shape.outputs[index]!.default,
    })),
    consumers: consumersOf(snapshot, service),
  }
}

function standingOf(
  { definition }: AppliedGroup,
  { now, groups }: StoreProgress,
  form: Form,
): { readonly group: string } {
  const { status, entity, description, owner, tags, online } = definition
  const group = groupId(definition)
  const found: GroupProgress | undefined = groups.find((each) => each.group === group)
  const through = found?.completeThrough
  return {
    group,
    status,
    entity,
    description,
    owner,
    tags,
    online,
    completeThrough: through && instantIn(form, through),
    freshnessSeconds: found?.freshness && found.freshness / 1e6,
    lagSeconds: through && Math.max(0, (now - through) / 1e6),
  } as { readonly group: string }
}

function instantIn(form: Form, at: Instant): string | bigint {
  return form === 'json' ? formatInstant(at) : BigInt(at)
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}

/** What is costly to look at is looked at once a second at most, and once for all who ask at the same time. */
function onceASecond<T>(look: () => Promise<T>): () => Promise<T> {
  let seen: { readonly found: Promise<T>; readonly at: number } | undefined
  return async () => {
    const now = performance.now()
    if (seen === undefined || now - seen.at > 1_000) {
      const found = look()
      seen = { found, at: now }
      found.catch(() => {
        if (seen?.found === found) seen = undefined
      })
    }
    return await seen.found
  }
}
