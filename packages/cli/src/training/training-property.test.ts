import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATUSES, valueToJson } from '@asof/core'
import type {
  AppliedGroup,
  EntityDefinition,
  FeatureRow,
  FeatureType,
  Field,
  GroupDefinition,
  Instant,
  KeyValues,
  OnDemandDefinition,
  OnDemandFunction,
  Value,
} from '@asof/core'
import {
  featureTypeArb,
  keyArb,
  keyTypeArb,
  naiveVector,
  nullableValueArb,
  propertyRuns,
  sameValue,
} from '@asof/testing'
import * as fc from 'fast-check'
import { DAY, T0, Workplace, group, labelRows, service } from './training-workplace.ts'

interface Case {
  readonly entity: EntityDefinition
  readonly groups: readonly { readonly group: AppliedGroup; readonly rows: readonly FeatureRow[] }[]
  readonly labels: readonly {
    readonly buyer: KeyValues
    readonly seller: KeyValues
    readonly at: number
    readonly amount: number | null
  }[]
  readonly knowledge: 'as-known' | 'event-time'
}

/** Instants in a crowd, so that ties and boundaries are common. */
const crowdedArb = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => T0 + step) },
  { weight: 2, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => T0 - DAY + step) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => -3 * DAY + step) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }).map((step) => T0 + 3 * DAY + step) },
)

const caseArb: fc.Arbitrary<Case> = fc
  .tuple(
    fc.array(keyTypeArb(), { maxLength: 2 }),
    fc.array(fc.array(featureTypeArb(), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 3 }),
  )
  .chain(([types, features]) =>
    fc.array(keyArb(types), { minLength: 3, maxLength: 3 }).chain((keys) => {
      const entity: EntityDefinition = {
        kind: 'entity',
        name: 'thing',
        keys: types.map((type, part) => ({ name: `k${part}`, type })),
      }
      const keyOfArb = fc.constantFrom(...keys)
      const askedArb = fc.oneof(
        { weight: 9, arbitrary: keyOfArb },
        { weight: 1, arbitrary: fc.constant(types.map(() => null)) },
      )
      const groupArb = (fields: readonly FeatureType[], at: number): fc.Arbitrary<Case['groups'][number]> =>
        fc
          .record({
            ttl: fc.constantFrom(undefined, '0s', '2us', '1d', '2d'),
            boundary: fc.constantFrom('inclusive', 'exclusive'),
            partition: fc.constantFrom('none', 'day', 'month'),
            defaults: fc.tuple(
              ...fields.map((type) => fc.option(nullableValueArb(type), { nil: undefined })),
            ),
            rows: fc.array(
              fc.record({
                key: keyOfArb,
                e: crowdedArb,
                c: crowdedArb,
                deleted: fc.nat(5).map((n) => n === 0),
                values: fc.tuple(...fields.map(nullableValueArb)),
              }),
              { maxLength: 30 },
            ),
          })
          .map(({ ttl, rows, defaults, ...more }) => {
            const declared = fields.map((type, index): Field => {
              const value = defaults[index]
              return {
                name: `f${index}`,
                type,
                ...(value !== undefined && { default: valueToJson(type, value) }),
              }
            })
            const each = group(
              `g${at}`,
              declared,
              { ...(ttl && { ttl: ttl as '1d' }), ...(more as Partial<GroupDefinition>) },
              entity,
            )
            const sequence = (index: number): number => ((index * 7) % 31) - 10
            return {
              group: each,
              rows: rows.map((given, index) => ({
                ...given,
                e: given.e as Instant,
                c: given.c as Instant,
                s: sequence(index),
              })),
            }
          })
      return fc.record({
        entity: fc.constant(entity),
        groups: fc.tuple(...features.map(groupArb)),
        labels: fc.array(
          fc.record({
            buyer: askedArb,
            seller: askedArb,
            at: crowdedArb,
            amount: fc.option(fc.integer({ max: 9, min: 0 })),
          }),
          { maxLength: 25 },
        ),
        knowledge: fc.constantFrom('as-known', 'as-known', 'event-time'),
      })
    }),
  )

test('a training set is what the naive engine answers, over all types, composite keys and roles', async () => {
  await fc.assert(
    fc.asyncProperty(caseArb, fc.boolean(), async ({ entity, groups, labels, knowledge }, small) => {
      await using place = await Workplace.open()
      for (const { group: each, rows } of groups) if (rows.length > 0) await place.append(each, rows)
      const roles = ['buyer', 'seller'] as const
      const named = (role: string): Record<string, string> =>
        Object.fromEntries(entity.keys.map(({ name }) => [name, `${role}_${name}`]))
      const columns = roles.flatMap((role) =>
        entity.keys.map(({ name, type }, part): [string, { type: FeatureType; values: (Value | null)[] }] => [
          `${role}_${name}`,
          { type, values: labels.map((label) => label[role][part] ?? null) },
        ]),
      )
      columns.push(['amount', { type: { kind: 'float64' }, values: labels.map(({ amount }) => amount) }])
      const asked = service(
        groups.map((each) => each.group),
        roles.map(named),
        [echo(groups[0]!.group)],
      )
      const times = labels.map(({ at }) => at)
      const built = await place.train(asked, labelRows(times, Object.fromEntries(columns)), {
        knowledge,
        statuses: true,
        eventTimes: true,
        ...(small && { memoryBytes: 2_000 }),
      })
      const outputs = asked.shape.outputs.flatMap(({ name, type, from }): Field[] => [
        { name, type },
        { name: `${name}__status`, type: { kind: 'string' } },
        ...(from === 'slot' ? [{ name: `${name}__event_time`, type: { kind: 'timestamp' } } as const] : []),
      ])
      const found = await place.rows(built.folder, built.manifest, outputs)
      assert.equal(found.length, labels.length)
      const counts = asked.shape.outputs.map(() => Object.fromEntries(STATUSES.map((status) => [status, 0])))
      const defaulted = asked.shape.outputs.map(() => 0)
      for (const [index, { at, amount }] of labels.entries()) {
        const expected = naiveVector({
          shape: asked.shape,
          rows: (id) => groups.find((each) => `${each.group.definition.name}@1` === id)!.rows,
          keys: Object.fromEntries(columns.map(([name, { values }]) => [name, values[index]!])),
          request: { amount },
          at: at as Instant,
          knowledge,
          functions: asked.functions,
        })
        const cells = found[index]!.values()
        for (const [output, { name, type, from }] of asked.shape.outputs.entries()) {
          const { value, status, eventTime } = expected[output]!
          const where = `row ${index}, ${name}`
          const is = cells.next().value!
          assert.ok(sameValue(type, is, value), `${where}: ${JSON.stringify(valueToJson(type, is))}`)
          assert.equal(cells.next().value, status, where)
          if (from === 'slot')
            assert.equal(cells.next().value, eventTime === null ? null : BigInt(eventTime), where)
          counts[output]![status]!++
          if (expected[output]!.defaulted) defaulted[output]!++
        }
      }
      assert.deepEqual(
        built.manifest.features.map(({ statuses }) => statuses),
        counts,
      )
      assert.deepEqual(
        built.manifest.features.map((feature) => feature.defaulted),
        defaulted,
      )
      const verified = await place.verify(built.folder, asked)
      assert.deepEqual(verified.differences, [])
      assert.equal(verified.ok, true)
    }),
    propertyRuns(0.05),
  )
})

/** An on-demand group that gives back a feature of a group, fails for some requests, and tells the row's age. */
function echo({ definition: { name: from, features } }: AppliedGroup): {
  readonly definition: OnDemandDefinition
  readonly compute: OnDemandFunction
} {
  const [{ name: feature, type }] = features as [Field]
  return {
    definition: {
      kind: 'on_demand',
      name: 'echo',
      version: 1,
      inputs: [
        { name: 'x', from: { group: from, version: 1, feature } },
        { name: 'amount', from: { request: 'ask', field: 'amount' } },
        { name: 'since', from: { eventTimeOf: from, version: 1 } },
      ],
      features: [
        { name: 'same', type },
        { name: 'age', type: { kind: 'int32' } },
      ],
      code: { module: 'echo.ts', fingerprint: 'echo' },
    },
    compute: ({ x, amount, since }, at) => {
      if ((amount as number) > 7) throw new Error('too much')
      // Ages beyond 32 bits are values of another type than declared.
      return { same: x ?? null, age: since === null ? null : at - (since as number) }
    },
  }
}
