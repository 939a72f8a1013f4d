import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { definitionsArb, propertyRuns } from '@asof/testing'
import * as fc from 'fast-check'
import { emptySnapshot, nextSnapshot } from '../apply/next-snapshot.ts'
import type { Snapshot } from '../apply/snapshot.ts'
import { instant } from '../clock/instant.ts'
import { checkDefinitions } from '../model/check-definitions.ts'
import { editDistance, mistakesForgiven } from '../errors/edit-distance.ts'
import { referenceTo } from './reference.ts'
import { searchIndex, type SearchIndex } from './search-index.ts'
import { search } from './search.ts'

const AT = instant(1_704_067_200_000_000)

function snapshotOf(project: string, definitions: readonly object[]): Snapshot {
  return nextSnapshot(emptySnapshot(project), checkDefinitions(definitions), AT)
}

function group(name: string, features: Readonly<Record<string, object>>, rest: object = {}): object {
  return {
    kind: 'group',
    name,
    entity: 'airport',
    compute: { from: 'push' },
    features: Object.entries(features).map(([feature, more]) => ({
      name: feature,
      type: { kind: 'float64' },
      ...more,
    })),
    ...rest,
  }
}

const airport = { kind: 'entity', name: 'airport', keys: [{ name: 'airport', type: { kind: 'string' } }] }
const index: SearchIndex = searchIndex([
  snapshotOf('flights', [
    airport,
    group('hourly', {
      delay: {},
      delay_mean: { tags: ['pii'] },
      mean_delay: {},
      cancelled: { description: 'no delay at all: it never left', type: { kind: 'bool' } },
      delya: {},
      reliability: {},
    }),
    group('daily', { delay_mean: {} }, { version: 2, owner: 'ops ml', tags: ['gold'] }),
    group(
      'daily',
      { delay_mean: {} },
      { status: 'deprecated', deprecation: { after: '2026-12-31', replacement: 'daily@2' } },
    ),
  ]),
  snapshotOf('prices', [airport, group('fares', { delay_mean: {} }, { owner: 'Pricing' })]),
])

/** Ids without what they all have in common. */
function found(query: string, limit = 100): string[] {
  return search(index, query, { limit }).results.map(({ id }) => id.replace('.group/', '.'))
}

suite('search', () => {
  test('an exact name comes first, then beginnings, words within, descriptions, and what is alike', () => {
    assert.deepEqual(found('delay'), [
      'flights.hourly@1:delay',
      'flights.daily@2:delay_mean',
      'flights.hourly@1:delay_mean',
      'prices.fares@1:delay_mean',
      'flights.daily@1:delay_mean',
      'flights.hourly@1:mean_delay',
      'flights.hourly@1:cancelled',
      'flights.hourly@1:delya',
    ])
  })

  test('a deprecated group comes after its equals, and says until when and what to read instead', () => {
    const results = search(index, 'daily:delay_mean').results
    assert.deepEqual(
      results.map(({ id, deprecation }) => [id, deprecation]),
      [
        ['flights.group/daily@2:delay_mean', undefined],
        ['flights.group/daily@1:delay_mean', { after: '2026-12-31', replacement: 'daily@2' }],
      ],
    )
  })

  test('every word must be found, in any order; words joined are a name', () => {
    assert.deepEqual(found('mean delay fares'), ['prices.fares@1:delay_mean'])
    assert.equal(found('delay mean')[0], 'flights.daily@2:delay_mean')
    assert.equal(found('mean delay')[0], 'flights.hourly@1:mean_delay')
    assert.deepEqual(found('delay nowhere_at_all'), [])
  })

  test('says which filters there are not, and which values a filter never has', () => {
    const notes = (query: string) => search(index, query, {}).notes
    const filters = 'there are tag, owner, entity, type, status, project, kind'
    assert.deepEqual(notes('color:red delay'), [`there is no filter color: ${filters}`])
    assert.deepEqual(notes('kind:servce type:vector(3) status:Deprecated'), [
      'kind is never servce: it is one of entity, source, group, on_demand, service, feature',
    ])
    assert.match(notes('type:double')![0]!, /^type is never double: /)
    for (const query of ['hourly:delay_mean', 'daily@2:delay_mean', 'owner:nobody', 'delay', ':'])
      assert.equal(notes(query), undefined, query)
  })

  for (const [query, expected] of [
    ['tag:pii', ['flights.hourly@1:delay_mean']],
    ['owner:"ops ml" delay', ['flights.daily@2:delay_mean']],
    ['owner:pricing kind:group', ['prices.fares@1']],
    ['type:bool', ['flights.hourly@1:cancelled']],
    ['status:deprecated kind:group', ['flights.daily@1']],
    ['project:prices delay', ['prices.fares@1:delay_mean']],
    ['entity:airport kind:group tag:gold', ['flights.daily@2']],
    ['entity:nobody', []],
    ['daily@2:delay_mean', ['flights.daily@2:delay_mean']],
    ['', []],
    [':', []],
  ] as const) {
    test(`${query} finds ${expected.length}`, () => {
      assert.deepEqual(found(query), expected)
    })
  }

  test('a mistake is forgiven from four letters on, two from eight', () => {
    assert.ok(found('dealy').includes('flights.hourly@1:delay'))
    assert.ok(found('delxy').includes('flights.hourly@1:delay'))
    assert.ok(found('relaibilty').includes('flights.hourly@1:reliability'))
    assert.deepEqual(found('houlry kind:group'), ['flights.hourly@1'])
    assert.deepEqual(found('day_men'), [])
  })

  test('mistakes are forgiven only where too little was found without', () => {
    assert.deepEqual(found('delya', 1), ['flights.hourly@1:delya'])
    assert.ok(found('delya', 2).includes('flights.hourly@1:delay'))
  })

  test('it says why, and counts all', () => {
    const { results, total } = search(index, 'dealy project:flights', { limit: 1 })
    assert.ok(total > 1)
    assert.deepEqual(results[0]?.why, ['like delay', 'project flights'])
    assert.deepEqual(search(index, 'left').results[0]?.why, ['description'])
    assert.deepEqual(search(index, 'lef').results[0]?.why, ['description'])
  })

  test('a query that is too long is refused', () => {
    assert.throws(() => search(index, 'a '.repeat(50)), { code: 'query_too_long' })
    assert.throws(() => search(index, 'a'.repeat(501)), { code: 'query_too_long' })
    assert.throws(() => search(index, 'a-'.repeat(17)), { code: 'query_too_long' })
    assert.throws(() => search(index, 'a_'.repeat(65)), { code: 'query_too_long' })
    search(index, `${'a_'.repeat(31)}b:${'a_'.repeat(31)}b`)
  })

  test('finds everything by its exact name, before anything else', () => {
    fc.assert(
      fc.property(definitionsArb(), (definitions) => {
        const made = searchIndex([snapshotOf('p', definitions)])
        for (const definition of definitions) {
          const parts = 'code' in definition || definition.kind === 'group' ? definition.features : []
          for (const part of [undefined, ...parts]) {
            const { name } = part ?? definition
            const { results } = search(made, name, { limit: 1_000 })
            const at = results.findIndex(({ id }) => id === referenceTo('p', definition, part?.name))
            assert.ok(at >= 0, `${name} is found`)
            assert.ok(results.slice(0, at).every((better) => better.name === name))
          }
        }
      }),
      propertyRuns(0.25),
    )
  })

  test('finds everything by a name with mistakes that are forgiven', () => {
    const mistaken = fc
      .record({
        definitions: definitionsArb(),
        which: fc.nat(),
        at: fc.nat(),
        how: fc.constantFrom('swap', 'lose', 'add'),
      })
      .filter(({ definitions, which }) => definitions[which % definitions.length]!.name.length >= 4)
    fc.assert(
      fc.property(mistaken, ({ definitions, which, at, how }) => {
        const definition = definitions[which % definitions.length]!
        const { name } = definition
        const cut = 1 + (at % (name.length - 2))
        const typed =
          how === 'swap'
            ? name.slice(0, cut) + name[cut + 1]! + name[cut]! + name.slice(cut + 2)
            : name.slice(0, cut) + (how === 'add' ? 'x' : '') + name.slice(how === 'add' ? cut : cut + 1)
        if (typed.length < 4 || !/^[a-z]+_?[a-z0-9]+$/.test(typed)) return
        const { results } = search(searchIndex([snapshotOf('p', definitions)]), typed, { limit: 1_000 })
        assert.ok(
          results.some(({ id }) => id === referenceTo('p', definition)),
          `${typed} finds ${name}`,
        )
      }),
      propertyRuns(),
    )
  })
})

suite('edit distance', () => {
  for (const [a, b, distance] of [
    ['delay', 'delay', 0],
    ['dealy', 'delay', 1],
    ['dly', 'delay', 2],
    ['', 'ab', 2],
    ['abc', 'cba', 2],
    ['ca', 'abc', 3],
  ] as const) {
    test(`${a} and ${b}: ${distance}`, () => {
      assert.equal(editDistance(a, b, 10), distance)
      assert.equal(editDistance(b, a, 10), distance)
    })
  }

  test('equals the definition, up to its limit', () => {
    const naive = (a: string, b: string): number => {
      if (a === '' || b === '') return a.length + b.length
      const [restA, restB] = [a.slice(1), b.slice(1)]
      const ways = [naive(restA, b) + 1, naive(a, restB) + 1, naive(restA, restB) + (a[0] === b[0] ? 0 : 1)]
      if (a.length > 1 && b.length > 1 && a[0] === b[1] && a[1] === b[0]) {
        ways.push(naive(a.slice(2), b.slice(2)) + 1)
      }
      return Math.min(...ways)
    }
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
    fc.assert(
      fc.property(word, word, fc.nat(4), (a, b, max) => {
        assert.equal(editDistance(a, b, max), Math.min(max + 1, naive(a, b)))
      }),
      propertyRuns(),
    )
  })

  test('what is forgiven grows with the word', () => {
    assert.deepEqual([3, 4, 7, 8].map(mistakesForgiven), [0, 1, 1, 2])
  })
})
