import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAsofError } from '@asof/core'
import { findProject } from './find-project.ts'

test('what is wrong with a configuration is said with its place in the code', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-find-'))
  t.after(async () => await rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'asof.config.ts'), "import './definitions.ts'\n")
  await writeFile(join(folder, 'definitions.ts'), '\n\nconst half = (;\n')
  const error = await findProject({}, folder).catch((thrown: unknown) => thrown)
  assert.ok(isAsofError(error, 'invalid'))
  assert.deepEqual([error.code, error.details['at']], ['invalid_config', 'definitions.ts:3'])
})

test('a package that is not one of modules is told how to become one', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'asof-find-'))
  t.after(async () => await rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'package.json'), '{ "type": "commonjs" }')
  await writeFile(join(folder, 'asof.config.ts'), 'export default {}\n')
  await assert.rejects(findProject({}, folder), { code: 'invalid_config', message: /"type": "module"/ })
})
