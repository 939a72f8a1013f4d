import {
  formatInstant,
  invalid,
  valueToJson,
  type FeatureVector,
  type Instant,
  type JsonValue,
  type ServicePlan,
  type Value,
} from '@asof/core'
import { instantArgument, namedValues } from '../command-values.ts'
import { formatAge } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { noteUnapplied } from '../note-unapplied.ts'
import { deprecationText } from '../registry-text.ts'
import { isFigure, shownValue } from '../shown-value.ts'
import type { Colours, Terminal } from '../terminal.ts'
import { textTable } from '../text-table.ts'

/** `asof get SERVICE key=value…`: the features of one entity. */
export async function get(
  terminal: Terminal,
  options: ProjectOptions & {
    readonly request?: readonly string[]
    readonly at?: string
    readonly asOf?: string
    readonly expect?: string
  },
  service: string,
  keys: readonly string[],
): Promise<void> {
  const lookUp = {
    ...(options.at !== undefined && { at: instantArgument(options.at, '--at') }),
    ...(options.asOf !== undefined && { asOf: instantArgument(options.asOf, '--as-of') }),
    ...(options.expect !== undefined && { expect: options.expect }),
  }
  await using store = await openProject(await findProject(options))
  await noteUnapplied(terminal, store)
  const { shape, ...plan } = await store.servicePlan(service)
  const key = namedValues(keys, shape.keys, 'key')
  const absent = shape.keys.map(({ name }) => name).filter((name) => !Object.hasOwn(key, name))
  if (absent.length > 0)
    throw invalid('invalid_argument', 'give each key as name=value', { absent: absent.join(', ') })
  const request = namedValues(options.request ?? [], shape.request, '--request')
  const left = shape.request.map(({ name }) => name).filter((name) => !Object.hasOwn(request, name))
  // No error: a feature may do with null, as it does in training where a label has none.
  if (left.length > 0) terminal.note(terminal.colours.yellow(`not given, so null: ${left.join(', ')}`))
  const vector = await store.get(service, key, { ...lookUp, request })
  const shown = shownFeatures({ shape, ...plan }, vector)
  const document = {
    service,
    at: formatInstant(vector.$at),
    source: vector.$source,
    fingerprint: vector.$fingerprint,
    ...(plan.deprecated.length > 0 && { deprecated: plan.deprecated }),
    features: Object.fromEntries(
      shown.map(({ name, type, value, status, flags, eventTime }) => [
        name,
        {
          value: jsonValue(type, value),
          status,
          ...(flags.length > 0 && { flags: Object.fromEntries(flags.map((flag) => [flag, true])) }),
          eventTime: eventTime === null ? null : formatInstant(eventTime),
        },
      ]),
    ),
  }
  terminal.answer(document, () => {
    const head = `${service} of ${keys.join(' ')} as of ${document.at} (${vector.$source})`
    const table = vectorTable(shown, vector.$at, terminal.colours)
    const deprecated = plan.deprecated.map(({ group, ...deprecation }) =>
      terminal.colours.yellow(`${group} is ${deprecationText(deprecation)}`),
    )
    const fingerprint = terminal.colours.dim(`fingerprint ${vector.$fingerprint}`)
    return [head, table, ...deprecated, fingerprint].join('\n\n')
  })
}

interface ShownFeature {
  readonly name: string
  readonly type: ServicePlan['outputs'][number]['type']
  readonly value: Value | null
  readonly status: string
  readonly flags: readonly string[]
  readonly eventTime: Instant | null
}

function shownFeatures(plan: ServicePlan, vector: FeatureVector): ShownFeature[] {
  const values = vector as unknown as Readonly<Record<string, Value | null>>
  const [statuses, flags, eventTimes] = [vector.$statuses, vector.$flags, vector.$eventTimes]
  return plan.outputs.map(({ type }, index) => {
    const name = plan.names[index] ?? ''
    return {
      name,
      type,
      value: values[name] ?? null,
      status: statuses[name] ?? 'error',
      flags: Object.keys(flags[name] ?? {}),
      eventTime: eventTimes[name] ?? null,
    }
  })
}

/** The JSON form, in which `__proto__` is a name like any other. */
function jsonValue(type: ShownFeature['type'], value: Value | null): JsonValue {
  return valueToJson(type, value)
}

function vectorTable(features: readonly ShownFeature[], at: Instant, colours: Colours): string {
  return textTable(
    [
      { title: 'FEATURE', cell: ({ name }) => name },
      {
        title: 'VALUE',
        cell: ({ type, value }) => (value === null ? colours.dim('null') : shownValue(type, value)),
        align: features.every(({ type }) => isFigure(type)) ? 'right' : 'left',
      },
      { title: 'STATUS', cell: ({ status }) => shownStatus(status, colours) },
      { title: 'FLAGS', cell: ({ flags }) => colours.yellow(flags.join(', ')) },
      {
        title: 'AGE',
        cell: ({ eventTime }) => (eventTime === null ? '' : formatAge(eventTime, at)),
        align: 'right',
      },
    ],
    features,
    colours,
  )
}

function shownStatus(status: string, colours: Colours): string {
  if (status === 'present') return colours.green(status)
  return status === 'error' ? colours.red(status) : colours.yellow(status)
}
