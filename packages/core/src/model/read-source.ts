import { invalid } from '../errors/asof-error.ts'
import type { CreatedTime, SourceDefinition, SourceReads, TimeColumn } from './definition.ts'
import { JsonObject, arrayOf, compact, durationFrom, oneOf, readText } from './json-object.ts'
import { described, named, readFields, refuseDuplicates } from './read-type.ts'

/** Reads a source. */
export function readSource(object: JsonObject): SourceDefinition {
  const reads = object.need('reads', readReads)
  const eventTime = object.maybe('eventTime', readTimeColumn)
  const created = object.maybe('created', readCreated)
  const future = object.maybe('future', oneOf('hold', 'quarantine'))
  const name = object.need('name', named('source'))
  const path = object.path
  if (reads.format === 'request') {
    if (eventTime !== undefined || created !== undefined || future !== undefined) {
      throw invalid(
        'invalid_definition',
        'a request is dated by its own time: leave out eventTime, created and future',
        {
          path,
        },
      )
    }
  } else if (eventTime !== undefined && created === undefined) {
    throw invalid('created_missing', `say when a row of this history became known. ${CREATED_CHOICES}`, {
      path,
      source: name,
    })
  }
  if (created === 'commit' && reads.format !== 'delta') {
    throw invalid(
      'invalid_created',
      "only a delta source has commits to date its rows by: created: 'commit'",
      { path },
    )
  }
  if (eventTime === undefined && isDelay(created)) {
    throw invalid(
      'invalid_created',
      'a delay counts from the event time, which this source does not declare',
      { path },
    )
  }
  return compact<SourceDefinition>({
    kind: 'source',
    name,
    reads,
    eventTime,
    created,
    future,
    ...described(object),
  })
}

/** What a source may say about when its rows became known. */
export const CREATED_CHOICES: string =
  "Choose one: created: 'a column', created: { delay: '2h' } after the event, or created: 'commit' for a delta table"

function isDelay(created: CreatedTime | undefined): boolean {
  return typeof created === 'object' && 'delay' in created
}

function readReads(json: unknown, path: string): SourceReads {
  const object = new JsonObject(json, path)
  const format = object.need('format', oneOf('parquet', 'csv', 'jsonl', 'delta', 'sql', 'request'))
  const reads = ((): SourceReads => {
    switch (format) {
      case 'sql':
        return {
          format,
          query: object.need('query', readText),
          sources: object.need('sources', readSourceNames),
        }
      case 'request':
        return { format, fields: object.need('fields', readFields('request field', 'refused')) }
      default:
        return { format, path: object.need('path', readPath) }
    }
  })()
  object.end()
  return reads
}

function readPath(json: unknown, path: string): string {
  const text = readText(json, path)
  if (text.includes('\0')) throw invalid('invalid_definition', 'a path without NUL is wanted here', { path })
  return text
}

/** Reads the names of the sources of a query: a set, sorted. */
export function readSourceNames(json: unknown, path: string): string[] {
  const names = arrayOf(named('source'))(json, path)
  if (names.length === 0) throw invalid('invalid_definition', 'a query names the sources it reads', { path })
  refuseDuplicates(names, 'source', path)
  return names.sort()
}

function readTimeColumn(json: unknown, path: string): TimeColumn {
  const object = new JsonObject(json, path)
  const time = compact<TimeColumn>({
    column: object.need('column', readText),
    zone: object.maybe('zone', readZone),
    unit: object.maybe('unit', oneOf('s', 'ms', 'us', 'ns')),
  })
  object.end()
  if (time.zone !== undefined && time.unit !== undefined) {
    throw invalid('invalid_definition', 'a number with a unit counts from 1970 UTC: leave out the zone', {
      path,
    })
  }
  return time
}

function readZone(json: unknown, path: string): string {
  const zone = readText(json, path)
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/.test(zone)) {
    throw invalid('invalid_definition', 'a zone such as UTC or America/New_York is wanted here', { path })
  }
  return zone
}

function readCreated(json: unknown, path: string): CreatedTime {
  if (json === 'commit') return json
  const object = new JsonObject(json, path)
  if (!object.has('delay')) return readTimeColumn(json, path)
  const created = { delay: object.need('delay', durationFrom(0)) }
  object.end()
  return created
}
