import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  encodeRow,
  entity,
  featureGroup,
  featureService,
  float64,
  project,
  string,
  type FeatureStore,
  type Instant,
  type OnlineRow,
} from '@asof/core'
import { openLmdbOnlineStore } from '@asof/lmdb'
import { openFeatureStore } from 'asof'
import { open, type RootDatabase } from 'lmdb'
import type { Setting } from './comparison.ts'

export const GROUPS = 10
export const FEATURES = 10
/** Bytes of the rival's values: 100 doubles. */
export const VALUE_BYTES = GROUPS * FEATURES * 8
/** Rows of one call of the store's port. */
const ROWS_PER_WRITE = 10_000

const user = entity('user', { keys: { user: string() } })
const groups = Array.from({ length: GROUPS }, (_, group) =>
  featureGroup(`group_${group}`, {
    entity: user,
    features: Object.fromEntries(
      Array.from({ length: FEATURES }, (_, at) => [`group_${group}_value_${at}`, float64()] as const),
    ),
  }),
)
/** Reads all 100 features of a user. */
export const profile = featureService('profile', { features: groups })

/** The id of a user; in the order of the numbers as bytes too. */
export function userId(number: number): string {
  return `u${String(number).padStart(8, '0')}`
}

/** The value of a feature, so that an answer can be checked. */
export function valueOf(user: number, group: number, at: number): number {
  return user + group * 0.125 + at / 1_024
}

/** What is looked up in: a feature store, and the rival's LMDB with one value for each user. Both on disk already. */
export interface LookUpStores extends AsyncDisposable {
  readonly store: FeatureStore
  /** Folder of the feature store's online part. */
  readonly onlineFolder: string
  readonly plain: RootDatabase<Uint8Array, string>
}

/** Opens what is to be looked up in, made once. */
export async function openStores(folder: string, users: number, { say }: Setting): Promise<LookUpStores> {
  const done = join(folder, 'complete')
  if (!existsSync(done)) rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'plain'), { recursive: true })
  const store = await openFeatureStore({ project: project('bench', [profile]), projectFolder: folder })
  const onlineFolder = join(folder, '.asof', 'online')
  const plain = open<Uint8Array, string>({ path: join(folder, 'plain'), encoding: 'binary', noSubdir: false })
  if (!existsSync(done)) {
    await store.apply()
    await fillStore(store, onlineFolder, users, say)
    await fillPlain(plain, users, say)
    writeFileSync(done, '')
  }
  return {
    store,
    onlineFolder,
    plain,
    async [Symbol.asyncDispose]() {
      await store.close()
      await plain.close()
    },
  }
}

/** Rows go straight into the online store, as the online sink would have left them. */
async function fillStore(
  store: FeatureStore,
  onlineFolder: string,
  users: number,
  say: Setting['say'],
): Promise<void> {
  await using online = await openLmdbOnlineStore(onlineFolder)
  const e = 1_700_000_000_000_000 as Instant
  for (let group = 0; group < GROUPS; group++) {
    say(`filling the feature store, once: group ${group + 1} of ${GROUPS}`)
    const plan = await store.groupPlan(groups[group]!)
    for (let from = 0; from < users; from += ROWS_PER_WRITE) {
      const rows: OnlineRow[] = []
      for (let number = from; number < Math.min(users, from + ROWS_PER_WRITE); number++) {
        const values = Array.from({ length: FEATURES }, (_, at) => valueOf(number, group, at))
        const payload = encodeRow(plan.layout, { e, c: e, s: number }, values)
        rows.push({
          key: plan.onlineKey(plan.entityKey([userId(number)])),
          stamp: payload.subarray(0, 24),
          payload,
        })
      }
      await online.write(plan.onlineTable, rows)
    }
  }
}

async function fillPlain(
  plain: RootDatabase<Uint8Array, string>,
  users: number,
  say: Setting['say'],
): Promise<void> {
  say('filling the plain LMDB, once')
  for (let from = 0; from < users; from += ROWS_PER_WRITE) {
    await plain.transaction(() => {
      for (let number = from; number < Math.min(users, from + ROWS_PER_WRITE); number++) {
        const values = Float64Array.from({ length: GROUPS * FEATURES }, (_, at) =>
          valueOf(number, Math.floor(at / FEATURES), at % FEATURES),
        )
        plain.putSync(userId(number), Buffer.from(values.buffer))
      }
    })
  }
}
