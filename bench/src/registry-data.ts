import { checkDefinitions, type Definition } from '@asof/core'
import { chance } from './chance.ts'

/** How large a registry to make. */
export interface RegistrySize {
  readonly projects: number
  /** Over all projects. */
  readonly groups: number
  /** Over all projects. */
  readonly features: number
}

/** Two hundred teams. */
export const FULL_REGISTRY: RegistrySize = { projects: 200, groups: 2_000, features: 50_000 }

const THINGS = [
  'user',
  'airport',
  'order',
  'device',
  'merchant',
  'card',
  'driver',
  'listing',
  'session',
  'store',
]
const FACTS = [
  'delay',
  'amount',
  'count',
  'rating',
  'distance',
  'refund',
  'click',
  'latency',
  'price',
  'weight',
]
const SHAPES = ['mean', 'sum', 'max', 'min', 'share', 'stddev', 'last', 'first', 'ratio', 'trend']
const SPANS = ['1h', '6h', '1d', '7d', '30d', '90d', 'weekend', 'night', 'holiday', 'ever']
const PLACES = ['domestic', 'foreign', 'mobile', 'web', 'app', 'partner', 'north', 'south', 'new', 'loyal']

/**
 * The definitions of each project, as teams write them: an entity, a source, groups of some features each, a service for
 * every second group, read by a model; most features have a description of a few words.
 */
export function registryProjects(size: RegistrySize): ReadonlyMap<string, readonly Definition[]> {
  const random = chance(11)
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)]!
  const perProject = size.groups / size.projects
  const perGroup = size.features / size.groups
  const projects = new Map<string, readonly Definition[]>()
  for (let number = 0; number < size.projects; number++) {
    const owner = `team-${number}`
    const definitions: object[] = [
      { kind: 'entity', name: 'thing', keys: [{ name: 'thing_id', type: { kind: 'int64' } }], owner },
      {
        kind: 'source',
        name: 'events',
        reads: { format: 'parquet', path: 'data/events/*.parquet' },
        eventTime: { column: 'at', zone: 'UTC' },
        created: { delay: '5m' },
        owner,
      },
    ]
    for (let at = 0; at < perProject; at++) {
      const name = `${pick(THINGS)}_${pick(FACTS)}_${at}`
      const features = Array.from({ length: perGroup }, (_, feature) => {
        const [fact, shape, span, place] = [pick(FACTS), pick(SHAPES), pick(SPANS), pick(PLACES)]
        return {
          name: `${fact}_${shape}_${span}_${place}_${feature}`,
          type: { kind: feature % 5 === 0 ? 'int64' : 'float64' },
          ...(feature % 4 > 0 && {
            description: `${shape} of ${fact} over ${span}, ${place} only, as of the hour`,
          }),
          ...(feature % 10 === 0 && { tags: ['pii'] }),
        }
      })
      definitions.push({
        kind: 'group',
        name,
        entity: 'thing',
        compute: { from: 'source', source: 'events' },
        features,
        owner,
        description: `what is known of each ${name.split('_')[0]}`,
        tags: [pick(PLACES)],
      })
      if (at % 2 > 0) continue
      definitions.push({
        kind: 'service',
        name: `model_${at}`,
        features: features.map((feature) => ({
          name: feature.name,
          group: name,
          feature: feature.name,
          keys: { thing_id: 'thing_id' },
        })),
        consumers: [{ model: `model_${number}_${at}`, version: '1', team: owner }],
        owner,
      })
    }
    projects.set(`project_${number}`, checkDefinitions(definitions))
  }
  return projects
}
