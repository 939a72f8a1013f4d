// What a server answers is what the naive engine answers: random histories over every type, pushed over HTTP as JSON and as
// MessagePack, looked up over HTTP now, at a decision time and as of the past, in every form that an answer has. One server
// for all cases, each with keys of its own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  alias,
  bool,
  bytes,
  entity,
  featureGroup,
  featureService,
  float32,
  float64,
  int32,
  int64,
  list,
  map,
  onDemand,
  project,
  request,
  string,
  struct,
  timestamp,
  vector,
  type FeatureRow,
  type FeatureType,
  type Instant,
  type ServiceShape,
  type Value,
} from '@asof/core'
import { naiveVector, nullableValueArb, propertyRuns, sameValue, scalarValueArb } from '@asof/testing'
import { SECOND } from '../faults/fault-store.ts'
import { openHttpStore, type HttpStore } from '../http/http-store.ts'
import {
  entriesOf,
  microsOf,
  readPacked,
  readValue,
  textOfMicros,
  toJson,
  toPacked,
  Typed,
  type Written,
} from './wire-values.ts'

const TTL = 5 * SECOND
/** Cases between one commit of the tables and the next: looking into the past reads what the log has after it. */
const FLUSH_EVERY = 25

const account = entity('account', { keys: { bank: string(), number: int64() } })
const place = entity('place', { keys: { open: bool(), floor: int32(), mark: bytes(), since: timestamp() } })
const world = entity('world', { keys: {} })
const scalars = {
  flag: bool(),
  small: int32(),
  big: int64(),
  count: int64({ as: 'number' }),
  single: float32(),
  double: float64(),
  text: string(),
  blob: bytes(),
  seen: timestamp(),
}
const wide = featureGroup('wide', {
  entity: account,
  ttl: '5s',
  features: {
    ...scalars,
    place: vector(3),
    whole: struct(scalars),
    flags: list(bool()),
    counts: list(int64({ as: 'number' })),
    doubles: list(float64()),
    blobs: list(bytes()),
    by_text: map(string()),
    by_big: map(int64()),
    by_single: map(float32()),
    by_time: map(timestamp()),
    score: float64({ default: -0.5 }),
  },
})
const strict = featureGroup('strict', {
  entity: account,
  boundary: 'exclusive',
  features: { amount: float64(), units: int64({ default: 2n ** 60n }) },
})
const brief = featureGroup('brief', {
  entity: place,
  ttl: '0s',
  features: { rating: float32({ default: 0.5 }), at: vector(2) },
})
const weather = featureGroup('weather', { entity: world, features: { rain: float32() } })
const ask = request('ask', { fields: { factor: float64(), wanted: int64() } })
const derived = onDemand('derived', {
  module: import.meta.url,
  inputs: {
    amount: strict.feature('amount'),
    units: strict.feature('units'),
    count: wide.feature('count'),
    seen: strict.eventTime(),
    factor: ask.field('factor'),
    wanted: ask.field('wanted'),
  },
  features: { scaled: float64(), age: int64(), left: int64() },
  compute: ({ amount, units, count, seen, factor, wanted }, now) => {
    if (factor === 13) throw new Error('unlucky')
    return {
      scaled: amount === null || factor === null ? null : amount * factor,
      age: seen === null ? null : BigInt(now - seen),
      left: units === null || wanted === null ? null : BigInt.asIntN(64, units - wanted + BigInt(count ?? 0)),
    }
  },
})
const model = featureService('model', {
  features: [
    wide,
    alias(strict, 'payer', { bank: 'payer_bank', number: 'payer_number' }),
    strict,
    brief,
    weather,
    derived,
  ],
})
const GROUPS = [wide, strict, brief, weather]

const formArb = fc.constantFrom('json' as const, 'msgpack' as const)
const slotArb = fc.nat(2)
const pushArb = fc.integer({ min: 0, max: GROUPS.length - 1 }).chain((number) => {
  const { features } = GROUPS[number]!.definition
  return fc.record({
    do: fc.constant('push' as const),
    group: fc.constant(number),
    form: formArb,
    waits: fc.boolean(),
    rows: fc.array(
      fc.record({
        slot: slotArb,
        shift: fc.oneof(
          fc.constantFrom(0, 1, -1),
          fc.integer({ min: -7 * SECOND, max: 2 * SECOND }),
          fc.constant('same' as const),
        ),
        deleted: fc.nat(7).map((roll) => roll === 0),
        values: fc.tuple(...features.map(({ type }) => featureArb(type))),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  })
})
const getArb = fc.record({
  do: fc.constant('get' as const),
  form: formArb,
  sent: formArb,
  columns: fc.boolean(),
  when: fc.oneof(
    { weight: 3, arbitrary: fc.constant('now' as const) },
    {
      weight: 4,
      arbitrary: fc.record({
        as: fc.oneof(
          { weight: 3, arbitrary: fc.constant('at' as const) },
          { weight: 1, arbitrary: fc.constant('asOf' as const) },
        ),
        near: fc.option(fc.constantFrom(-1, 0, 1, TTL - 1, TTL, TTL + 1)),
        back: fc.integer({ min: 0, max: 8 * SECOND }),
        row: fc.nat(20),
      }),
    },
  ),
  entities: fc.array(
    fc.record({
      account: slotArb,
      payer: slotArb,
      place: slotArb,
      nothing: fc.option(fc.constantFrom('bank', 'number', 'payer_bank', 'floor', 'mark', 'since'), {
        freq: 3,
      }),
      factor: fc.option(fc.constantFrom(2, -0.1, 13, Number.NaN, Number.NEGATIVE_INFINITY)),
      wanted: fc.option(scalarValueArb({ kind: 'int64' }) as fc.Arbitrary<bigint>),
    }),
    { maxLength: 3 },
  ),
})
const stepArb = fc.oneof(
  { weight: 4, arbitrary: pushArb },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      micros: fc.integer({ min: 0, max: 3 * SECOND }),
    }),
  },
  { weight: 4, arbitrary: getArb },
)
/** Which nasty parts the keys of a case have, beside those that make them its own. */
const keysArb = fc.record({
  texts: fc.array(fc.constantFrom('', ':', '{}', '%3A', '\0', 'é', 'e\u0301', '😀', '/'), {
    minLength: 3,
    maxLength: 3,
  }),
  numbers: fc.array(scalarValueArb({ kind: 'int64' }) as fc.Arbitrary<bigint>, {
    minLength: 3,
    maxLength: 3,
  }),
  floors: fc.array(scalarValueArb({ kind: 'int32' }) as fc.Arbitrary<number>, { minLength: 3, maxLength: 3 }),
  times: fc.array(scalarValueArb({ kind: 'timestamp' }) as fc.Arbitrary<bigint>, {
    minLength: 3,
    maxLength: 3,
  }),
})
type Drawn<Arb> = Arb extends fc.Arbitrary<infer Value> ? Value : never
type Case = Drawn<typeof keysArb>
type Step = Drawn<typeof stepArb>

test('what a server answers is what the naive engine answers', async () => {
  await using http = await openHttpStore(project('shop', [model]))
  http.store.start()
  const run = new Run(http, (await http.store.servicePlan(model)).shape)
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(keysArb, fc.array(stepArb, { minLength: 2, maxLength: 14 }), async (keys, steps) => {
      await run.case(keys, steps, seen)
    }),
    propertyRuns(0.2),
  )
  // The cases are none that all answer the same.
  for (const what of [
    'present',
    'null',
    'not_found',
    'expired',
    'error',
    'defaulted',
    'null_key',
    'offline',
    'online',
  ]) {
    if (propertyRuns(0.2).numRuns >= 50) assert.ok(seen.has(what), `no case had ${what}`)
  }
})

/** One server through all cases. */
class Run {
  readonly #http: HttpStore
  readonly #shape: ServiceShape
  readonly #rows = new Map<string, FeatureRow[]>(GROUPS.map(({ definition }) => [`${definition.name}@1`, []]))
  #cases = 0

  constructor(http: HttpStore, shape: ServiceShape) {
    this.#http = http
    this.#shape = shape
  }

  async case(keys: Case, steps: readonly Step[], seen: Set<string>): Promise<void> {
    const number = this.#cases++
    // The keys of other cases are never asked for again, so the naive engine need not read their rows either; but the world is
    // one for all.
    for (const group of this.#rows.keys()) if (group !== 'weather@1') this.#rows.set(group, [])
    if (number % FLUSH_EVERY === 0) await this.#http.store.drain()
    const pool = poolOf(number, keys)
    for (const step of steps) {
      if (step.do === 'pass') this.#http.clock.now += step.micros
      else if (step.do === 'push') await this.#push(step, pool)
      else await this.#get(step, pool, seen)
    }
  }

  async #push(step: Step & { do: 'push' }, pool: Pool): Promise<void> {
    const { definition } = GROUPS[step.group]!
    const rows = this.#rows.get(`${definition.name}@1`)!
    const keyTypes = typesOfKeys(definition.entity)
    const pushed = step.rows.map(({ slot, shift, deleted, values }) => {
      const e = (
        shift === 'same' ? (rows.at(-1)?.e ?? this.#http.clock.now) : this.#http.clock.now + shift
      ) as Instant
      return { key: pool[definition.entity as keyof Pool][slot]!, e, deleted, values }
    })
    const body = {
      rows: pushed.map(({ key, e, deleted, values }, index) => ({
        ...Object.fromEntries(keyTypes.map(([name, type], part) => [name, new Typed(type, key[part]!)])),
        event_timestamp: index % 2 === 0 ? BigInt(e) : textOfMicros(BigInt(e)),
        ...(deleted
          ? { _deleted: true }
          : Object.fromEntries(
              definition.features.map(({ name, type }, at) => [name, new Typed(type, values[at] as Value)]),
            )),
      })),
      ...(step.waits && { wait: 'applied' }),
    }
    const answered = await this.#ask(`/v1/groups/${definition.name}/rows`, body, step.form, step.form)
    assert.deepEqual([answered.get('duplicate'), answered.get('accepted')], [false, pushed.length])
    const c = Number(instant(answered.get('at'), step.form)) as Instant
    const first = Number(answered.get('position'))
    for (const [index, { key, e, deleted, values }] of pushed.entries()) {
      rows.push({ e, c, s: first + index, key, deleted, values: deleted ? [] : values })
    }
  }

  async #get(step: Step & { do: 'get' }, pool: Pool, seen: Set<string>): Promise<void> {
    await this.#http.store.drain({ offline: false })
    const types = new Map([...this.#shape.keys, ...this.#shape.request].map(({ name, type }) => [name, type]))
    const asked = step.entities.map((entity) => {
      const keys: Record<string, Value | null> = {
        ...named(['bank', 'number'], pool.account[entity.account]!),
        ...named(['payer_bank', 'payer_number'], pool.account[entity.payer]!),
        ...named(['open', 'floor', 'mark', 'since'], pool.place[entity.place]!),
        ...(entity.nothing !== null && { [entity.nothing]: null }),
      }
      return { keys, request: { factor: entity.factor, wanted: entity.wanted } }
    })
    const typed = (values: Readonly<Record<string, Value | null>>): Written =>
      Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, new Typed(types.get(name)!, value)]),
      )
    const at = this.#instantOf(step)
    const body = {
      service: 'model',
      entities: asked.map(({ keys, request: inputs }) => ({ keys: typed(keys), request: typed(inputs) })),
      form: step.columns ? 'columns' : 'rows',
      include: ['statuses', 'event_times', 'flags'],
      ...(step.when !== 'now' &&
        at !== undefined && { [step.when.as]: at % 2 === 0 ? BigInt(at) : textOfMicros(BigInt(at)) }),
    }
    const answer = await this.#ask('/v1/get', body, step.sent, step.form)
    const said = Number(instant(answer.get('at'), step.form)) as Instant
    if (at !== undefined) assert.equal(said, at)
    const names = this.#shape.outputs.map(({ name }) => name)
    assert.deepEqual(answer.get('features'), names)
    seen.add(String(answer.get('source')))
    const part = (of: string, name: string, index: number): unknown =>
      step.columns
        ? (new Map(entriesOf(answer.get(of))).get(name) as unknown[] | undefined)?.[index]
        : new Map(entriesOf((answer.get(of) as unknown[])[index])).get(name)
    for (const [index, { keys, request: inputs }] of asked.entries()) {
      const expected = naiveVector({
        shape: this.#shape,
        rows: (group) => this.#rows.get(group)!,
        keys,
        request: inputs,
        at: said,
        knowledge: 'as-known',
        functions: new Map([['derived@1', derived.compute as never]]),
      })
      for (const [place, { name, type, ...output }] of this.#shape.outputs.entries()) {
        const { value, status, defaulted, eventTime } = expected[place]!
        const what = `${name} of entity ${index}, ${step.form}, ${step.when === 'now' ? 'now' : step.when.as}`
        const shown = readValue(type, part(step.columns ? 'columns' : 'rows', name, index), step.form)
        assert.ok(sameValue(type, shown, value), `another value: ${what}`)
        assert.equal(part('statuses', name, index), status, what)
        const time = part('eventTimes', name, index)
        assert.equal(time === null ? null : Number(instant(time, step.form)), eventTime, what)
        const flags = new Map(entriesOf(part('flags', name, index) ?? {}))
        const hasNullKey =
          output.from === 'slot' && this.#shape.slots[output.slot]!.keyNames.some((key) => keys[key] === null)
        assert.deepEqual(
          [...flags.keys()].sort(),
          [...(defaulted ? ['defaulted'] : []), ...(hasNullKey ? ['null_key'] : [])],
          what,
        )
        for (const each of [status, ...flags.keys()]) seen.add(each)
      }
    }
  }

  /** An instant of the recent past, often one at which an answer changes. */
  #instantOf({ when }: Step & { do: 'get' }): Instant | undefined {
    if (when === 'now') return undefined
    const { now } = this.#http.clock
    const rows = [...this.#rows.values()].flat()
    const near =
      when.near === null || rows.length === 0 ? undefined : rows[when.row % rows.length]!.e + when.near
    const at = near ?? now - when.back
    return Math.min(now, Math.max(at, now - 1_000 * SECOND)) as Instant
  }

  async #ask(
    path: string,
    body: Written,
    sent: 'json' | 'msgpack',
    form: 'json' | 'msgpack',
  ): Promise<ReadonlyMap<string, unknown>> {
    const media = { json: 'application/json', msgpack: 'application/vnd.msgpack' } as const
    const answer = await this.#http.ask(path, sent === 'json' ? toJson(body) : toPacked(body), {
      headers: { 'content-type': media[sent], accept: media[form] },
    })
    assert.equal(answer.status, 200, new TextDecoder().decode(answer.bytes))
    return new Map(entriesOf(form === 'json' ? answer.json() : readPacked(answer.bytes)))
  }
}

/** Keys of a case by entity. */
type Pool = Readonly<Record<'account' | 'place' | 'world', readonly FeatureRow['key'][]>>

function poolOf(number: number, { texts, numbers, floors, times }: Case): Pool {
  const mark = Uint8Array.of(number >> 16, number >> 8, number)
  return {
    account: texts.map((text, at) => [`${number}${text}`, numbers[at]!]),
    place: floors.map((floor, at) => [at === 1, floor, mark, times[at]!]),
    world: [[], [], []],
  }
}

function typesOfKeys(name: string): (readonly [string, FeatureType])[] {
  const { keys } = [account, place, world].find(({ definition }) => definition.name === name)!.definition
  return keys.map((key) => [key.name, key.type])
}

function named(names: readonly string[], values: FeatureRow['key']): Record<string, Value | null> {
  return Object.fromEntries(names.map((name, at) => [name, values[at]!]))
}

function instant(value: unknown, form: 'json' | 'msgpack'): bigint {
  return form === 'json' ? microsOf(value as string) : BigInt(value as bigint | number)
}

/** Any value of the type; an int64 that is shown as a number also beyond what a number holds. */
function featureArb(type: FeatureType): fc.Arbitrary<Value | null> {
  if (type.kind === 'int64' && type.as === 'number') {
    return fc.oneof(
      { weight: 5, arbitrary: nullableValueArb(type) },
      { weight: 1, arbitrary: fc.constantFrom(2n ** 53n, -(2n ** 63n)) },
    )
  }
  return nullableValueArb(type)
}
