const INSTANT = {
  oneOf: [
    { type: 'string', format: 'date-time', description: 'RFC 3339 with a zone.' },
    { type: 'integer', description: 'Microseconds since 1970.' },
  ],
} as const
const KEYS = {
  type: 'object',
  description: 'Every join key of the service by name; a part that is null answers `not_found`.',
} as const
const INPUTS = { type: 'object', description: 'Inputs of on-demand features by name.' } as const

/** What `POST /v1/get` takes. */
export const GET_BODY: object = {
  type: 'object',
  additionalProperties: false,
  properties: {
    service: { type: 'string', minLength: 1, maxLength: 63, description: 'Name of a feature service.' },
    features: {
      type: 'array',
      minItems: 1,
      maxItems: 2_000,
      items: { type: 'string', minLength: 3, maxLength: 200 },
      description: 'Features by reference, instead of a service: `group:feature` or `group@2:feature`.',
    },
    keys: { ...KEYS, description: `One entity. ${KEYS.description}` },
    entities: {
      type: 'array',
      maxItems: 10_000,
      items: {
        type: 'object',
        required: ['keys'],
        additionalProperties: false,
        properties: { keys: KEYS, request: INPUTS },
      },
      description:
        'Many entities, instead of `keys`: `[{"keys": {…}, "request": {…}}, …]`; answered in the order given, duplicates included.',
    },
    request: INPUTS,
    at: { ...INSTANT, description: 'The decision time, at most an hour back; now by default.' },
    asOf: { ...INSTANT, description: 'Any past instant, answered from history.' },
    expect: {
      type: 'string',
      maxLength: 128,
      description: 'The fingerprint that the model was trained on; another one is refused (409).',
    },
    deadlineMs: {
      type: 'number',
      minimum: 0,
      maximum: 600_000,
      description: 'Milliseconds that the stores may take; then 504.',
    },
    form: { type: 'string', enum: ['rows', 'columns'], default: 'rows' },
    include: {
      type: 'array',
      uniqueItems: true,
      items: { type: 'string', enum: ['statuses', 'event_times', 'flags', 'types'] },
      description: 'What the answer carries beside the values.',
    },
  },
  // Not oneOf, whose fault would not say which properties it is about: of both the route says so itself.
  allOf: [
    { type: 'object' },
    { anyOf: [{ required: ['service'] }, { required: ['features'] }] },
    { anyOf: [{ required: ['keys'] }, { required: ['entities'] }] },
  ],
} as const

const STATUS = { type: 'string', enum: ['present', 'null', 'not_found', 'expired', 'error'] } as const
const FLAGS = {
  type: 'object',
  additionalProperties: false,
  properties: {
    stale: { const: true, description: 'The pipeline is later than its freshness promise.' },
    defaulted: { const: true, description: 'The declared default stands in.' },
    null_key: { const: true, description: 'A part of the key was null.' },
  },
} as const
const EVENT_TIME = { type: ['string', 'null'], format: 'date-time' } as const

/** Rows or columns of something. */
function rowsOrColumns(of: object, description: string): object {
  return {
    description,
    oneOf: [
      { type: 'array', items: { type: 'object', additionalProperties: of } },
      { type: 'object', additionalProperties: { type: 'array', items: of } },
    ],
  }
}

/** What `POST /v1/get` answers. */
export const GET_ANSWER: object = {
  type: 'object',
  required: ['fingerprint', 'at', 'source', 'features'],
  properties: {
    service: { type: 'string' },
    revision: { type: 'integer', description: 'Revision of the registry.' },
    fingerprint: { type: 'string', description: 'Hash of everything that decides what the values mean.' },
    at: { type: 'string', format: 'date-time', description: 'The instant as of which the values hold.' },
    source: { type: 'string', enum: ['online', 'offline'] },
    features: { type: 'array', items: { type: 'string' }, description: 'Names of the features, in order.' },
    rows: {
      type: 'array',
      items: { type: 'object', additionalProperties: true },
      description: 'For each entity its features by name: value or null.',
    },
    columns: {
      type: 'object',
      additionalProperties: { type: 'array' },
      description: 'Instead of rows: for each feature its value for each entity.',
    },
    statuses: rowsOrColumns(STATUS, 'Status of each value.'),
    eventTimes: rowsOrColumns(EVENT_TIME, 'Event time of the row that answered each; null where none did.'),
    flags: rowsOrColumns({ anyOf: [FLAGS, { type: 'null' }] }, 'Flags of each value that has any.'),
    types: { type: 'object', additionalProperties: { type: 'object' }, description: 'Declared types.' },
    deprecated: {
      type: 'array',
      description: 'Groups of this answer that should not be read for much longer.',
      items: {
        type: 'object',
        required: ['group'],
        properties: {
          group: { type: 'string' },
          after: { type: 'string', format: 'date' },
          replacement: { type: 'string' },
        },
      },
    },
  },
}
