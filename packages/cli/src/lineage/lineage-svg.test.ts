import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Lineage, LineageEdge, LineageNode } from '@asof/core'
import { propertyRuns } from '@asof/testing'
import { layoutLineage } from './lineage-layout.ts'
import { lineageSvg } from './lineage-svg.ts'

/** Fifty nodes as a team would have them: 14 columns of 4 sources, 3 request fields, 20 features, 11 of services, 2 models. */
function fiftyNodes(): Lineage {
  const nodes: LineageNode[] = []
  const edges: LineageEdge[] = []
  const add = (
    kind: LineageNode['kind'],
    name: string,
    part: string | undefined,
    more: object = {},
  ): string => {
    const id = `shop.${kind}/${name}${part === undefined ? '' : `:${part}`}`
    nodes.push({ id, project: 'shop', kind, name, ...(part !== undefined && { part }), ...more })
    return id
  }
  const join = (to: string, ...from: string[]): void =>
    void edges.push(...from.map((each) => ({ from: each, to })))
  const source = (name: string, columns: readonly string[]): string[] =>
    columns.map((column) => add('source', name, column))
  const raw = source('payments_raw', ['amount', 'currency', 'rate', 'paid_at'])
  const clean = source('payments', ['amount_eur', 'paid_at', 'refunded'])
  join(clean[0]!, ...raw.slice(0, 3))
  join(clean[1]!, raw[3]!)
  const profile = source('profiles', ['country', 'verified', 'born', 'newsletter'])
  const visits = source('visits_of_the_last_quarter_with_devices', ['seconds', 'pages', 'device'])
  const request = ['amount', 'currency', 'ip_country'].map((field) => add('request', 'payment', field))
  const group = (
    name: string,
    features: readonly string[],
    kind: 'group' | 'on_demand' = 'group',
  ): string[] => features.map((feature) => add(kind, name, feature, { version: 1, owner: 'payments' }))
  const activity = group('customer_activity', [
    'payments_1d',
    'amount_mean',
    'amount_max',
    'refund_share',
    'days_since_last',
  ])
  for (const feature of activity.slice(0, 3)) join(feature, clean[0]!)
  join(activity[3]!, clean[0]!, clean[2]!)
  join(activity[4]!, clean[1]!)
  const profiles = group('customer_profile', ['country', 'verified', 'age', 'newsletter'])
  profiles.forEach((feature, at) => join(feature, profile[at]!))
  const sessions = group('customer_sessions_with_a_name_that_is_longer_than_a_box', [
    'seconds_mean',
    'pages_per_visit_over_thirty_days_smoothed',
    'devices',
    'last_device',
  ])
  join(sessions[0]!, visits[0]!)
  join(sessions[1]!, visits[1]!, visits[0]!)
  join(sessions[2]!, visits[2]!)
  join(sessions[3]!, visits[2]!)
  const context = group(
    'payment_in_context',
    ['amount_ratio', 'hour', 'foreign', 'currency_known'],
    'on_demand',
  )
  join(context[0]!, request[0]!, activity[1]!)
  join(context[2]!, request[2]!, profiles[0]!)
  join(context[3]!, request[1]!)
  const service = (name: string, from: readonly string[]): string[] =>
    from.map((each) => {
      const feature = add('service', name, each.split(':')[1])
      join(feature, each)
      return feature
    })
  const fraud = service('fraud_model', [
    activity[0]!,
    activity[1]!,
    activity[3]!,
    profiles[1]!,
    ...context.slice(0, 3),
  ])
  const churn = service('churn_model', [
    activity[4]!,
    sessions[0]!,
    sessions[1]!,
    profiles[2]!,
    profiles[3]!,
    activity[0]!,
  ])
  join(add('model', 'fraud', undefined, { version: '3', team: 'payments' }), ...fraud)
  join(add('model', 'churn', undefined, { version: '12', team: 'growth' }), ...churn)
  join(add('model', 'lifetime_value', undefined, { version: '1', team: 'growth' }), ...churn)
  return { of: [activity[1]!], nodes, edges }
}

test('fifty nodes: every node is in the picture, cut names in full in its title', () => {
  const lineage = fiftyNodes()
  assert.ok(lineage.nodes.length >= 50, String(lineage.nodes.length))
  const svg = lineageSvg(lineage)
  for (const { id } of lineage.nodes) assert.ok(svg.includes(`<title>${id}`), id)
  assert.match(svg, /pages_per_visit_over_thirt[^<]*…</)
  assert.equal(svg.match(/<path /g)?.length, lineage.edges.length)
  assert.deepEqual(
    [...svg.matchAll(/class="head"[^>]*>([^<]*)</g)].map(([, title]) => title),
    ['sources', 'features', 'on demand', 'services', 'models'],
  )
  checkLayout(lineage.nodes, lineage.edges)
})

test('names that XML cannot hold, or would read otherwise, are text like any other', () => {
  const long = '𝕏'.repeat(60)
  const names = ['<script>', ']]>', '"&amp;', '\u0000\u001B[31m', '\uFFFE\uFFFF', '\uD800', long, `a${long}`]
  const nodes = names.map((name): LineageNode => ({
    id: `shop.model/${name}@1`,
    project: 'shop',
    kind: 'model',
    name,
    team: name,
  }))
  const svg = lineageSvg({ of: nodes.map(({ id }) => id), nodes, edges: [] })
  assert.doesNotMatch(svg, /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u)
  assert.doesNotMatch(svg, /<script|&(?!amp;|lt;|gt;)/)
})

test('whatever the graph, boxes do not overlap and edges go through none', () => {
  const kinds: readonly LineageNode['kind'][] = [
    'source',
    'request',
    'group',
    'on_demand',
    'service',
    'model',
  ]
  const node = fc.record({ kind: fc.constantFrom(...kinds), name: fc.string({ maxLength: 60 }) })
  fc.assert(
    fc.property(
      fc.array(node, { minLength: 1, maxLength: 40 }),
      fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 80 }),
      (given, pairs) => {
        const sorted = given.toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind))
        const nodes = sorted.map(({ kind, name }, at) => ({ id: `n${at}`, project: 'p', kind, name }))
        const edges = new Map<string, LineageEdge>()
        for (const pair of pairs) {
          const [from, to] = pair.map((at) => at % nodes.length).toSorted((a, b) => a - b) as [number, number]
          if (from < to) edges.set(`${from} ${to}`, { from: `n${from}`, to: `n${to}` })
        }
        checkLayout(nodes, [...edges.values()])
      },
    ),
    propertyRuns(0.5),
  )
})

function checkLayout(nodes: readonly LineageNode[], edges: readonly LineageEdge[]): void {
  const { nodes: boxes, edges: lines, columns } = layoutLineage(nodes, edges)
  assert.equal(boxes.length, nodes.length)
  assert.equal(lines.length, edges.length)
  for (const [at, one] of boxes.entries()) {
    for (const other of boxes.slice(at + 1)) {
      if (one.column !== other.column) continue
      assert.ok(
        one.y + one.height <= other.y || other.y + other.height <= one.y,
        `${one.node.id} ${other.node.id}`,
      )
    }
  }
  for (const [at, column] of columns.entries()) assert.ok(at === 0 || column.left > columns[at - 1]!.right)
  for (const { from, to, points } of lines) {
    for (const [at, point] of points.entries()) {
      const next = points[at + 1]
      if (next === undefined) continue
      assert.ok(point.x <= next.x, 'from left to right')
      // Bent only where there are no boxes.
      const gap = columns.some(
        (column, number) => column.right === point.x && columns[number + 1]?.left === next.x,
      )
      if (gap) continue
      assert.equal(point.y, next.y)
      for (const { node, x, y, width, height } of boxes) {
        if (node.id === from || node.id === to) continue
        const apart = x >= next.x || x + width <= point.x || y >= point.y || y + height <= point.y
        assert.ok(apart, `${from} → ${to} goes through ${node.id}`)
      }
    }
  }
}
