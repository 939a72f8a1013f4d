// The OpenAPI document, and the page that is made of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entity, featureGroup, featureService, float64, project, string } from '@asof/core'
import { openHttpStore } from './http-store.ts'

const user = entity('user', { keys: { user: string() } })
const stats = featureGroup('stats', { entity: user, features: { score: float64() } })
const shop = project('shop', [featureService('model', { features: [stats] })])

interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly responses: Readonly<Record<string, unknown>>
    readonly schemas: Readonly<Record<string, unknown>>
  }
}
interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly responses: Readonly<Record<string, { readonly $ref?: string }>>
}

test('the document names every route, and every reference in it leads somewhere', async () => {
  await using http = await openHttpStore(shop)
  const answered = await http.ask('/openapi.json')
  const document = answered.json<Document>()
  assert.equal(document.openapi, '3.1.0')
  assert.deepEqual(Object.keys(document.paths).sort(), [
    '/livez',
    '/readyz',
    '/v1/consumers',
    '/v1/get',
    '/v1/groups',
    '/v1/groups/{group}',
    '/v1/groups/{group}/rows',
    '/v1/impact',
    '/v1/lineage',
    '/v1/search',
    '/v1/services',
    '/v1/services/{name}',
  ])
  const text = new TextDecoder().decode(answered.bytes)
  for (const [, place] of text.matchAll(/"\$ref":"#\/components\/([^"]+)"/g)) {
    const [kind, name] = place!.split('/') as ['responses' | 'schemas', string]
    assert.ok(Object.hasOwn(document.components[kind], name), place)
  }
  const ids = new Set<string>()
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const { operationId, summary, responses } of Object.values(methods)) {
      assert.ok(summary.length > 5 && !ids.has(operationId), path)
      ids.add(operationId)
      for (const status of ['400', '404', '406', '500', '503'])
        assert.ok(responses[status], `${path} ${status}`)
    }
  }
})

test('the page loads nothing, and the way to it is short', async () => {
  await using http = await openHttpStore(shop)
  const root = await http.ask('/')
  assert.deepEqual([root.status, root.headers.get('location')], [302, '/docs'])
  const page = await http.ask('/docs')
  const html = new TextDecoder().decode(page.bytes)
  assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'sha256-/)
  assert.doesNotMatch(html, /<script|<img|<link|url\(|https?:\/\/(?!127\.0\.0\.1)/)
  assert.match(html, /<h3>Look up features<\/h3>/)
  assert.match(html, /curl -s http:\/\/127\.0\.0\.1:8700\/v1\/get/)
})
