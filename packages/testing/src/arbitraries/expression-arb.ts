import { literalOf, readExpression } from '@asof/core'
import type {
  Expression,
  ExpressionSchema,
  FeatureType,
  LiteralExpression,
  LiteralKind,
  ScalarType,
  Value,
} from '@asof/core'
import * as fc from 'fast-check'
import { scalarValueArb } from './value-arb.ts'

const COMPARE_OPS = ['=', '<>', '<', '<=', '>', '>='] as const
const ARITHMETIC_OPS = ['+', '-', '*', '/', '%'] as const
/** What is compared with what. */
const FAMILIES: readonly (readonly ScalarType['kind'][])[] = [
  ['int32', 'int64', 'float32', 'float64'],
  ['string'],
  ['bool'],
  ['bytes'],
  ['timestamp'],
]

/**
 * Conditions over the columns of a schema, well typed, in canonical form. Numbers of all types are compared and computed with
 * each other; every other literal is drawn from `pool`, so that equal values meet.
 */
export function conditionArb(
  schema: ExpressionSchema,
  pool: (type: ScalarType) => fc.Arbitrary<Value>,
): fc.Arbitrary<Expression> {
  return fc
    .letrec<{ condition: Expression; number: Expression }>((tie) => ({
      condition: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(
          ...FAMILIES.map((kinds) =>
            kinds[0] === 'int32'
              ? comparisonArb(tie('number'), kinds, pool)
              : comparisonArb(leafArb(schema, kinds, pool), kinds, pool),
          ),
          nullArb(fc.constantFrom(...schema.map(({ name }): Expression => ({ kind: 'column', name })))),
          nullArb(tie('number')),
          ...(hasKind(schema, ['bool']) ? [leafArb(schema, ['bool'], pool)] : []),
        ),
        logicArb(tie('condition')),
        tie('condition').map((of): Expression => ({ kind: 'not', of })),
        comparisonArb(tie('condition'), ['bool'], pool),
      ),
      number: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leafArb(schema, FAMILIES[0]!, pool),
        fc
          .record({ op: fc.constantFrom(...ARITHMETIC_OPS), left: tie('number'), right: tie('number') })
          .map((parts): Expression => ({ kind: 'arithmetic', ...parts })),
      ),
    }))
    .condition.map((json) => readExpression(json, 'condition'))
}

function hasKind(schema: ExpressionSchema, kinds: readonly FeatureType['kind'][]): boolean {
  return schema.some(({ type }) => kinds.includes(type.kind))
}

type Pool = (type: ScalarType) => fc.Arbitrary<Value>

function literalArb(kinds: readonly ScalarType['kind'][], pool: Pool): fc.Arbitrary<LiteralExpression> {
  return fc.oneof(
    ...kinds.map((kind) =>
      fc.oneof(pool({ kind }), scalarValueArb({ kind })).map((value) => {
        const type: LiteralKind = kind === 'int32' ? 'int64' : kind === 'float32' ? 'float64' : kind
        return literalOf(type, kind === 'int32' ? BigInt(value as number) : (value as bigint))
      }),
    ),
  )
}

function leafArb(
  schema: ExpressionSchema,
  kinds: readonly ScalarType['kind'][],
  pool: Pool,
): fc.Arbitrary<Expression> {
  const named = schema.filter(({ type }) => (kinds as readonly string[]).includes(type.kind))
  const literals = literalArb(kinds, pool)
  if (named.length === 0) return literals
  const column = fc.constantFrom(...named.map(({ name }): Expression => ({ kind: 'column', name })))
  return fc.oneof({ weight: 2, arbitrary: column }, { weight: 1, arbitrary: literals })
}

function comparisonArb(
  operand: fc.Arbitrary<Expression>,
  kinds: readonly ScalarType['kind'][],
  pool: Pool,
): fc.Arbitrary<Expression> {
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .record({ op: fc.constantFrom(...COMPARE_OPS), left: operand, right: operand })
        .map((parts): Expression => ({ kind: 'compare', ...parts })),
    },
    {
      weight: 1,
      arbitrary: fc
        .record({ of: operand, values: fc.array(literalArb(kinds, pool), { minLength: 1, maxLength: 12 }) })
        .map((parts): Expression => ({ kind: 'in', ...parts })),
    },
  )
}

function nullArb(of: fc.Arbitrary<Expression>): fc.Arbitrary<Expression> {
  return of.map((value): Expression => ({ kind: 'is_null', of: value }))
}

function logicArb(condition: fc.Arbitrary<Expression>): fc.Arbitrary<Expression> {
  return fc
    .record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(condition, { minLength: 2, maxLength: 4 }),
    })
    .map((parts): Expression => parts)
}

const BEYOND_BASIC = [
  '\ue000',
  '\uffff',
  '\u{10000}',
  '\u{10ffff}',
  '\ud7ff',
  'a\uffff',
  'a\u{1f600}',
  'a',
  '',
]
const EDGES: Readonly<Record<string, readonly Value[]>> = {
  bool: [true, false],
  int32: [0, 1, -1, 3, 2 ** 31 - 1, -(2 ** 31)],
  int64: [0n, 1n, -1n, 3n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 31n],
  float32: [0, -0, 1, -1.5, 3, 2 ** 24, 2 ** 63, -(2 ** 63), Number.NaN, Infinity, -Infinity],
  float64: [0, -0, 1, -1.5, 3, 2 ** 53, 2 ** 63, -(2 ** 63), 0.1, Number.NaN, Infinity, -Infinity, 1e308],
  string: BEYOND_BASIC,
  bytes: [Uint8Array.of(), Uint8Array.of(0), Uint8Array.of(255), Uint8Array.of(255, 0)],
  timestamp: [0n, -1n, 1n, 1_709_164_800_000_000n],
}

/** {@link CONDITION_SCHEMA}, rows of it and a condition; with few values, so that equal ones meet. */
export function conditionWithRowsArb(): fc.Arbitrary<{
  readonly schema: ExpressionSchema
  readonly rows: readonly (readonly (Value | null)[])[]
  readonly where: Expression
}> {
  const edge = (type: ScalarType): fc.Arbitrary<Value> => fc.constantFrom(...EDGES[type.kind]!)
  const value = (type: FeatureType): fc.Arbitrary<Value | null> =>
    type.kind === 'list'
      ? fc.constantFrom(null, [], [1, null])
      : fc.oneof(edge(type as ScalarType), scalarValueArb(type as ScalarType), fc.constant(null))
  return fc
    .record({
      rows: fc.array(fc.tuple(...CONDITION_SCHEMA.map(({ type }) => value(type))), {
        minLength: 1,
        maxLength: 12,
      }),
      where: conditionArb(CONDITION_SCHEMA, edge),
    })
    .map(({ rows, where }) => ({ schema: CONDITION_SCHEMA, rows, where }))
}

/** Two columns of each scalar type, one of them with a name that SQL must quote, and a container. */
export const CONDITION_SCHEMA: ExpressionSchema = [
  ...FAMILIES.flat().flatMap((kind) => [
    { name: kind, type: { kind } },
    { name: `other ${kind}"; --`, type: { kind } },
  ]),
  { name: 'd', type: { kind: 'list', element: { kind: 'int32' } } },
]
