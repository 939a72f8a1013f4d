/**
 * Every limit of the core, with its unit in its name. Passing one is an error that names it.
 */
export const LIMITS = {
  /** A name of a project, entity, source, group, feature or service. */
  nameCharsMax: 63,
  /** An encoded entity key, after percent-encoding. */
  keyBytesMax: 512,
  /** One value of a feature. */
  valueBytesMax: 65_536,
  /** One encoded row. */
  rowBytesMax: 262_144,
  /** Elements of a vector, a list or a map. */
  elementsMax: 16_384,
  /** Features of one group. */
  groupFeaturesMax: 2_000,
  /** Features of one service. */
  serviceFeaturesMax: 5_000,
  /** Entities in one `getMany`. */
  entitiesPerRequestMax: 10_000,
  /** Rows in one push. */
  rowsPerPushMax: 100_000,
  /** Bytes of one log record. */
  logRecordBytesMax: 67_108_864,
  /** Bytes of a definitions file. */
  definitionsBytesMax: 67_108_864,
  /** How far a client's or a writer's clock may differ from ours, in microseconds. */
  clockSkewMaxMicros: 1_000_000,
  /** A pushed row dated further ahead than this is quarantined unless its source holds it, in microseconds. */
  futureMaxMicros: 300_000_000,
  /** How far back a request's decision time `at` may lie, in microseconds; further back is `asOf`. */
  atPastMaxMicros: 3_600_000_000,
  /** A staged file that is older and that no log record names belongs to nobody, in milliseconds. */
  stagedOrphanAgeMs: 3_600_000,
  /** Runs of a scheduled group in one call of materialize or restate. */
  runsPerCallMax: 1_000_000,
  /** Items that one aggregation gives: of `firstN`, `lastN`, `topK`, and the bounds of a histogram. */
  aggregateItemsMax: 1_000,
  /** Distinct values that an exact aggregation may be declared to hold. */
  distinctValuesMax: 65_536,
  /** Rows kept in the quarantine of one group version; later ones are counted only. */
  quarantineRowsMax: 100_000,
  /** Levels of one expression. */
  expressionDepthMax: 32,
  /** Columns, literals and operations of one expression, the values of an `in` counted. */
  expressionNodesMax: 1_000,
} as const

/** The names and values of the limits. */
export type Limits = typeof LIMITS
