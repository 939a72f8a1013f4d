import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '@asof/testing'
import { diskStaging } from './disk-staging.ts'

test('what a dead process was writing is listed with what is staged, and can be removed', async () => {
  await using folder = await temporaryFolder()
  const staging = await diskStaging(folder.path)
  const names = [staging.create(), `${staging.create()}.writing`]
  for (const name of [...names, 'note.txt']) await writeFile(join(folder.path, name), '')
  assert.deepEqual((await staging.list()).map(({ name }) => name).sort(), [...names].sort())
  for (const name of names) await staging.remove(name)
  assert.deepEqual(await readdir(folder.path), ['note.txt'])
})
