import { entity, featureGroup, featureService, onDemand, project, request } from '@asof/core'
import {
  bool,
  bytes,
  float32,
  float64,
  int32,
  int64,
  list,
  map,
  string,
  struct,
  timestamp,
  vector,
} from '@asof/core'
import type { FeatureStore } from '@asof/core'
import { openFeatureStore } from 'asof'
import { createServer } from '@asof/server'
import { temporaryFolder } from '@asof/testing'
import { connect, type ConnectOptions, type FeatureClient } from '../index.ts'

const user = entity('user', { keys: { user_id: int64() } })
const place = entity('place', {
  keys: { is_open: bool(), floor: int32(), name: string(), mark: bytes(), since: timestamp() },
})
const scalars = {
  a_bool: bool(),
  a_small: int32(),
  a_large: int64(),
  a_count: int64({ as: 'number' }),
  a_single: float32(),
  a_double: float64(),
  a_text: string(),
  a_bytes: bytes(),
  a_time: timestamp(),
}
/** Features of every type. */
export const everything = featureGroup('everything', {
  entity: user,
  features: {
    ...scalars,
    a_vector: vector(3),
    a_struct: struct(scalars),
    bools: list(bool()),
    larges: list(int64()),
    counts: list(int64({ as: 'number' })),
    doubles: list(float64()),
    byteses: list(bytes()),
    times: list(timestamp()),
    map_of_text: map(string()),
    map_of_large: map(int64()),
    map_of_count: map(int64({ as: 'number' })),
    map_of_single: map(float32()),
    map_of_time: map(timestamp()),
  },
})
/** Looked up by a key of every other type, one default, and soon expired. */
export const places = featureGroup('places', {
  entity: place,
  ttl: '10m',
  features: { rating: float64({ default: 2.5 }), visits: int64() },
})
const trip = request('trip', { fields: { scheduled: timestamp(), weights: vector(2), distance: int32() } })
const ratio = onDemand('ratio', {
  module: import.meta.url,
  inputs: {
    scheduled: trip.field('scheduled'),
    weights: trip.field('weights'),
    rating: places.feature('rating'),
  },
  features: { weighted: float64(), late: bool() },
  compute: ratioOf,
})
/** Every type by one key. */
export const everyType = featureService('every_type', { features: [everything] })
/** Keys of every type, request inputs, on-demand features, defaults. */
export const outing = featureService('outing', { features: [places, ratio] })

/** What the on-demand group computes; it fails without weights. */
export function ratioOf(inputs: {
  readonly scheduled: bigint | null
  readonly weights: Float32Array | null
  readonly rating: number | null
}): { readonly weighted: number | null; readonly late: boolean | null } {
  return {
    weighted: inputs.rating === null ? null : inputs.rating * inputs.weights![0]!,
    late: inputs.scheduled === null ? null : inputs.scheduled > 0n,
  }
}

/** Runs with a store in this process, and a client of a server over the same store. */
export async function served(
  options: ConnectOptions,
  use: (both: {
    readonly inProcess: FeatureStore
    readonly client: FeatureClient
    readonly url: string
  }) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder()
  const definitions = project('shop', [everyType, outing])
  await using inProcess = await openFeatureStore({
    project: definitions,
    projectFolder: folder.path,
    threads: 1,
    memoryMb: 256,
  })
  await inProcess.apply()
  await using server = createServer({ store: inProcess })
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 })
  await using client = connect(url, { deadline: 20_000, ...options })
  await use({ inProcess, client, url })
}
