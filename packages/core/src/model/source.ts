import type { Declared } from './declared.ts'
import type {
  CreatedTime,
  Described,
  OnDemandInput,
  SourceDefinition,
  SourceReads,
  TimeColumn,
} from './definition.ts'
import type { Input } from './on-demand.ts'
import { readDefinition } from './read-definition.ts'
import type { TypedFields, ValueOf } from './typed-field.ts'
import { namedFields } from './typed-field.ts'

/** A declared source of rows. */
export interface Source extends Declared<SourceDefinition> {
  readonly history: true
}

/**
 * The two times of a source's rows. Without `eventTime` it is a reference table, which only queries can read.
 *
 * A text is a column's name: `'date'` is `{ column: 'date' }`.
 */
export interface SourceTimes {
  /** When the fact was true. A time without a zone needs `zone`, a number needs `unit`. */
  readonly eventTime?: string | TimeColumn
  /** The first instant at which a row could have been read; has no default, as a wrong guess leaks the future. */
  readonly created?: string | Exclude<CreatedTime, 'commit'>
  /** What becomes of rows dated further ahead than 5 minutes; quarantined by default. */
  readonly future?: 'hold' | 'quarantine'
}

/** What a source of files is declared with; the path is relative to the project's folder. */
export interface FileSourceOptions extends Described, SourceTimes {
  readonly path: string
}

/**
 * Parquet files: a path or a glob.
 *
 * @throws {AsofError} `created_missing` for an event time without a created time
 * @example
 * ```ts
 * parquet('payments', { path: 'data/payments.parquet', eventTime: 'paid_at', created: { delay: '2h' } })
 * ```
 */
export function parquet(name: string, options: FileSourceOptions): Source {
  return fileSource('parquet', name, options)
}

/**
 * CSV files with a header; as {@link parquet}.
 *
 * @example
 * ```ts
 * csv('payments', { path: 'data/payments-*.csv', eventTime: { column: 'paid_at', zone: 'UTC' }, created: { delay: '2h' } })
 * ```
 */
export function csv(name: string, options: FileSourceOptions): Source {
  return fileSource('csv', name, options)
}

/**
 * Files of one JSON object a line; as {@link parquet}.
 *
 * @example
 * ```ts
 * jsonl('payments', { path: 'payments.jsonl', eventTime: { column: 'paid_at', unit: 'ms' }, created: { delay: '2h' } })
 * ```
 */
export function jsonl(name: string, options: FileSourceOptions): Source {
  return fileSource('jsonl', name, options)
}

/**
 * A Delta table; `created: 'commit'` dates its rows by the commit that brought them.
 *
 * @example
 * ```ts
 * delta('payments', { path: 'tables/payments', eventTime: 'paid_at', created: 'commit' })
 * ```
 */
export function delta(name: string, options: FileSourceOptions): Source {
  return fileSource('delta', name, options)
}

/**
 * A query over other sources, each seen under its name.
 *
 * @example
 * ```ts
 * sql('known_flights', {
 *   query: 'SELECT *, date + INTERVAL 2 HOUR AS known_at FROM flights',
 *   sources: [flights], eventTime: { column: 'date', zone: 'UTC' }, created: { column: 'known_at', zone: 'UTC' },
 * })
 * ```
 */
export function sql(
  name: string,
  options: Described & SourceTimes & { readonly query: string; readonly sources: readonly Source[] },
): Source {
  const { query, sources, ...rest } = options
  const names = sources.map((source) => source.definition.name)
  return source(name, { format: 'sql', query, sources: names }, rest, sources)
}

/** Values that come with a request; on-demand groups read them. */
export interface RequestSource<Fields extends TypedFields> extends Declared<SourceDefinition> {
  /** One of the fields, as an input of an on-demand group. */
  field<Name extends keyof Fields & string>(
    name: Name,
  ): Input<ValueOf<Fields[Name]>, object, { readonly [N in Name]: ValueOf<Fields[N]> }>
}

/**
 * Declares values that come with a request (and, in training, from columns of the labels).
 *
 * @example
 * ```ts
 * const flight = request('flight', { fields: { scheduled: timestamp() } })
 * flight.field('scheduled').from // { request: 'flight', field: 'scheduled' }
 * ```
 */
export function request<const Fields extends TypedFields>(
  name: string,
  options: Described & { readonly fields: Fields },
): RequestSource<Fields> {
  const { fields, ...described } = options
  const reads = { format: 'request', fields: namedFields(fields) } as const
  const definition = readDefinition(
    { ...described, kind: 'source', name, reads },
    `request ${name}`,
  ) as SourceDefinition
  const declared: Declared = { definition, refersTo: [] }
  return Object.freeze({
    ...declared,
    definition,
    field(field: string): { readonly from: OnDemandInput['from']; readonly declaredBy: Declared } {
      return { from: { request: name, field }, declaredBy: declared }
    },
  })
}

function fileSource(
  format: 'parquet' | 'csv' | 'jsonl' | 'delta',
  name: string,
  options: FileSourceOptions,
): Source {
  const { path, ...rest } = options
  return source(name, { format, path }, rest, [])
}

function source(
  name: string,
  reads: SourceReads,
  options: Described & SourceTimes,
  refersTo: readonly Source[],
): Source {
  const { eventTime, created, ...rest } = options
  const definition = readDefinition(
    {
      ...rest,
      kind: 'source',
      name,
      reads,
      eventTime: typeof eventTime === 'string' ? { column: eventTime } : eventTime,
      created: typeof created === 'string' && created !== 'commit' ? { column: created } : created,
    },
    `source ${name}`,
  )
  return Object.freeze({ definition: definition as SourceDefinition, refersTo, history: true })
}
