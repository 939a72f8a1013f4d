import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAsofError, type Lineage } from '@asof/core'
import { openTerminal } from '../terminal.ts'
import { apply } from './definitions.ts'
import { init } from './init.ts'
import { lineage } from './lineage.ts'

const MODULES = join(import.meta.dirname, '../../../../node_modules')

let root = ''
let folder = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'asof-lineage-'))
  folder = join(root, 'my-store')
  await symlink(MODULES, join(root, 'node_modules'))
  await printed((terminal) => init(terminal, {}, folder))
  await printed((terminal) => apply(terminal, { project: folder }, undefined))
})
after(async () => await rm(root, { recursive: true, force: true }))

/** What a command prints. */
async function printed(
  work: (terminal: ReturnType<typeof openTerminal>) => Promise<unknown>,
  json = false,
): Promise<string> {
  let text = ''
  const stream = { write: (part: string) => (text += part) }
  const { signal } = new AbortController()
  await work(openTerminal({ stdout: stream, stderr: stream, json, signal, env: {} }))
  return text
}

const project = (): { readonly project: string } => ({ project: folder })

test('a feature as a tree, from the column that its query reads to the model', async () => {
  const tree = await printed((terminal) => lineage(terminal, project(), 'customer_activity:amount_mean'))
  assert.equal(
    tree,
    `shop.group/customer_activity@1:amount_mean
├─ made of
│  └─ payments:amount source
└─ read by
   ├─ payment_in_context@1:amount_ratio on demand, payments
   │  └─ fraud_model:amount_ratio service, payments
   │     └─ fraud@1 model, payments
   ├─ payment_in_context@1:hour on demand, payments
   │  └─ fraud_model:hour service, payments
   │     └─ fraud@1 model, payments
   └─ fraud_model:amount_mean service, payments
      └─ fraud@1 model, payments
`,
  )
})

test('one way only, and as JSON', async () => {
  const down = JSON.parse(
    await printed(
      (terminal) => lineage(terminal, { ...project(), down: true }, 'source/profiles:country'),
      true,
    ),
  ) as Lineage
  assert.deepEqual(
    down.nodes.map(({ id }) => id),
    [
      'shop.source/profiles:country',
      'shop.group/customer_profile@1:country',
      'shop.service/fraud_model:country',
      'shop.model/fraud@1',
    ],
  )
  const up = await printed((terminal) => lineage(terminal, { ...project(), up: true }, 'model/fraud@1'))
  assert.doesNotMatch(up, /read by/)
  assert.match(up, /payments:amount source/)
})

test('a picture is a file, and says how much is in it', async () => {
  const svg = join(root, 'fraud.svg')
  const said = await printed((terminal) => lineage(terminal, { ...project(), svg }, 'fraud_model'))
  const text = await readFile(svg, 'utf8')
  assert.match(said, new RegExp(`^${text.match(/<g><title>/g)?.length} nodes drawn in `))
  assert.match(text, /^<svg xmlns/)
})

test('what is not there is not found', async () => {
  const absent = printed((terminal) => lineage(terminal, project(), 'customer_activity:absent'))
  await assert.rejects(absent, (error) => isAsofError(error, 'not_found'))
})
