// What `asof types` prints compiles, says of every type what the declared service says, and refuses wrong uses.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { emptySnapshot, nextSnapshot, project, type FeatureService, type Instant } from '@asof/core'
import { temporaryFolder } from '@asof/testing'
import { typeDeclaration } from './type-declaration.ts'

const REPOSITORY = join(import.meta.dirname, '../../..')

const DEFINITIONS = `
import { bool, bytes, entity, featureGroup, featureService, float32, float64, int32, int64, list, map, onDemand, request, string, struct, timestamp, vector, alias } from '@asof/core'

const user = entity('user', { keys: { user_id: int64(), region: string() } })
const world = entity('world', { keys: {} })
const scalars = { a_bool: bool(), a_small: int32(), a_large: int64(), a_count: int64({ as: 'number' }), a_single: float32(), a_double: float64(), a_text: string(), a_bytes: bytes(), a_time: timestamp() }
const everything = featureGroup('everything', {
  entity: user,
  features: {
    ...scalars,
    a_vector: vector(3),
    a_struct: struct(scalars),
    a_list: list(int64()),
    counts: list(int64({ as: 'number' })),
    a_map: map(timestamp()),
    rated: float64({ default: 1, description: 'a */ that ends\\nno comment' }),
  },
})
const weather = featureGroup('weather', { entity: world, features: { storm: bool() } })
const trip = request('trip', { fields: { scheduled: timestamp(), weights: vector(2) } })
const context = onDemand('context', {
  module: 'file:///context.ts',
  inputs: { scheduled: trip.field('scheduled'), weights: trip.field('weights') },
  features: { hour: int32() },
  compute: () => ({ hour: 1 }),
})
export const all = featureService('all', { features: [everything, weather, context], description: 'Every type.' })
export const pair = featureService('pair', { features: [alias(everything.pick('a_text'), 'buyer', { user_id: 'buyer_id' })] })
export const skies = featureService('skies', { features: [weather] })
`

const USES = `
import { connect, type KeysOf, type RequestOf, type VectorOf } from '@asof/client'
import type { Services } from './asof.d.ts'
import type { all, pair, skies } from './definitions.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(..._equal: Equal<A, B> extends true ? [] : [never]): void {}

same<keyof Services, 'all' | 'pair' | 'skies'>()
same<KeysOf<Services['all']>, KeysOf<typeof all>>()
same<RequestOf<Services['all']>, RequestOf<typeof all>>()
same<VectorOf<Services['all']>, VectorOf<typeof all>>()
same<KeysOf<Services['pair']>, KeysOf<typeof pair>>()
same<VectorOf<Services['pair']>, VectorOf<typeof pair>>()
same<KeysOf<Services['skies']>, KeysOf<typeof skies>>()
same<VectorOf<Services['skies']>, VectorOf<typeof skies>>()

const store = connect<Services>('http://127.0.0.1:8700')
const vector = await store.get('all', { user_id: 1n, region: 'west' }, { request: { scheduled: 0n, weights: null } })
same<typeof vector.a_large, bigint | null>()
// @ts-expect-error no such service
await store.get('nothing', {})
// @ts-expect-error a key of another type
await store.get('all', { user_id: 1, region: 'west' })
// @ts-expect-error a key is absent
await store.get('pair', { buyer_id: 1n })
// @ts-expect-error no such feature
void vector.buyer_a_text
`

test('asof types declares what the definitions declare', async () => {
  await using folder = await temporaryFolder()
  const file = (name: string): string => join(folder.path, name)
  await symlink(join(REPOSITORY, 'node_modules'), file('node_modules'))
  await writeFile(file('package.json'), '{ "type": "module" }')
  await writeFile(file('definitions.ts'), DEFINITIONS)
  const { all, pair, skies } = (await import(file('definitions.ts'))) as Record<string, FeatureService>
  const { name, definitions } = project('shop', [all!, pair!, skies!])
  const text = typeDeclaration(nextSnapshot(emptySnapshot(name), definitions, 0 as Instant))
  assert.match(text, /\/\*\* Every type\. \*\/\n {2}all: \{/)
  assert.equal(text, typeDeclaration(nextSnapshot(emptySnapshot(name), definitions, 1 as Instant)))
  await writeFile(file('asof.d.ts'), text)
  await writeFile(file('uses.ts'), USES)
  const config = {
    extends: join(REPOSITORY, 'tsconfig.base.json'),
    compilerOptions: { skipLibCheck: false },
    files: ['asof.d.ts', 'uses.ts'],
  }
  await writeFile(file('tsconfig.json'), JSON.stringify(config))
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  const compiled = spawnSync(process.execPath, [tsc, '-p', folder.path], { encoding: 'utf8' })
  assert.equal(compiled.stdout, '')
  assert.equal(compiled.status, 0)
})

test('asof types prints the declaration, or writes it, of what is defined or applied', async () => {
  await using folder = await temporaryFolder()
  await symlink(join(REPOSITORY, 'node_modules'), join(folder.path, 'node_modules'))
  await writeFile(
    join(folder.path, 'asof.config.ts'),
    `import { defineConfig, entity, featureGroup, featureService, float64, project, string } from 'asof'
     const user = entity('user', { keys: { user: string() } })
     const ratings = featureGroup('ratings', { entity: user, features: { rating: float64() } })
     export default defineConfig({ project: project('shop', [featureService('recommender', { features: [ratings] })]) })`,
  )
  const asof = (...args: readonly string[]): string => {
    const command = ['--conditions=source', join(import.meta.dirname, 'bin.ts'), 'types', ...args]
    const done = spawnSync(process.execPath, command, { cwd: folder.path, encoding: 'utf8' })
    assert.equal(done.status, 0, done.stderr)
    return done.stdout
  }
  const printed = asof()
  assert.match(
    printed,
    /recommender: \{\n {4}keys: \{\n {6}user: string \| null\n {4}\}\n {4}request: \{\}\n/,
  )
  await assert.rejects(stat(join(folder.path, '.asof')))
  assert.match(asof('--out', 'asof.d.ts'), /^1 service of shop declared in asof\.d\.ts\n$/)
  assert.equal(await readFile(join(folder.path, 'asof.d.ts'), 'utf8'), printed)
  assert.deepEqual((JSON.parse(asof('--applied', '--json')) as { readonly services: unknown }).services, [])
})
