// Many processes apply definitions to one registry at the same time: none is refused, nothing is lost.
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { addConsumer, applyDefinitions, checkDefinitions, instant, loadSnapshots } from '@asof/core'
import { playedRole, startRole, tell, temporaryFolder } from '@asof/testing'
import { openLmdbRegistry } from './index.ts'

const FILE = fileURLToPath(import.meta.url)
const PROCESSES = 16
const APPLIES = 8

const user = { kind: 'entity', name: 'user', keys: [{ name: 'user_id', type: { kind: 'int64' } }] }
const service = {
  kind: 'service',
  name: 'model',
  features: [{ name: 'a', group: 'group_1', feature: 'a', keys: { user_id: 'user_id' } }],
}

function group(number: number): object {
  const features = [{ name: 'a', type: { kind: 'float64' } }]
  return { kind: 'group', name: `group_${number}`, entity: 'user', compute: { from: 'push' }, features }
}

/** Adds a group with each apply to a project of its own, and registers a model after each. */
async function applying(folder: string, project: string): Promise<void> {
  await using registry = await openLmdbRegistry(folder)
  tell('ready')
  while (!existsSync(join(folder, 'go'))) await sleep(2)
  const options = { now: () => instant(Date.now() * 1_000), author: project, message: '' }
  const definitions: object[] = [user, service]
  for (let number = 1; number <= APPLIES; number++) {
    definitions.push(group(number))
    await applyDefinitions(registry, project, checkDefinitions(definitions), options)
    const consumer = { model: 'm', version: `${number}`, team: project }
    await addConsumer(registry, project, 'model', consumer, options)
  }
}

if (!(await playedRole({ applying }))) {
  test('sixteen processes apply to projects of their own at once: none is refused, none is lost', async () => {
    await using folder = await temporaryFolder()
    const projects = Array.from({ length: PROCESSES }, (_, number) => `project_${number}`)
    await (await openLmdbRegistry(folder.path))[Symbol.asyncDispose]()
    const players = projects.map((project) => startRole(FILE, 'applying', [folder.path, project]))
    for (const player of players) assert.equal(await player.next(), 'ready')
    writeFileSync(join(folder.path, 'go'), '')
    assert.deepEqual(
      await Promise.all(players.map(async (player) => await player.ended())),
      projects.map(() => 0),
    )
    await using registry = await openLmdbRegistry(folder.path)
    assert.equal((await registry.head())?.number, PROCESSES * APPLIES * 2)
    const snapshots = await loadSnapshots(registry)
    assert.deepEqual([...snapshots.keys()], projects.toSorted())
    for (const [project, { groups, registered }] of snapshots) {
      assert.equal(groups.size, APPLIES, project)
      assert.equal(registered?.get('model')?.length, APPLIES, project)
    }
  })
}
