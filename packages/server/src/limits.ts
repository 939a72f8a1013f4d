/** Every limit of the server, with its unit in its name. Each can be set otherwise when a server is made. */
export const SERVER_LIMITS = {
  /** Body of a lookup, and of every request that says nothing else. */
  bodyBytesMax: 1_048_576,
  /** Body of a push of rows. */
  pushBodyBytesMax: 33_554_432,
  /** Bodies of all pushes of rows that are on their way or being appended; those beyond are told to come back. */
  pushBodiesBytesMax: 268_435_456,
  /** Body of a batch: one whole file, which is staged, not held in memory. */
  batchBodyBytesMax: 4_294_967_296,
  /** How long a push waits until lookups see its rows. */
  waitMsMax: 30_000,
  /** Batches that are read and staged at once; each has an engine of its own. */
  batchesAtOnceMax: 2,
  /** Batches that arrive, wait and are staged; those beyond are told to come back. */
  batchesInFlightMax: 16,
  /** Levels of arrays and objects in a body. */
  bodyDepthMax: 32,
  /** Values that one answer may hold: entities times features. */
  answerValuesMax: 1_000_000,
  /** Bytes of the values of one answer that are texts, bytes, vectors, lists, maps or structs, before they are written. */
  answerBytesMax: 67_108_864,
  /** Bytes of a request's line and headers. */
  headersBytesMax: 16_384,
  /** Time in which a request's headers have to be there. */
  headersTimeoutMs: 10_000,
  /** Time in which a whole request has to be there. */
  requestTimeoutMs: 60_000,
  /** How long a connection may stay without a request. */
  keepAliveTimeoutMs: 65_000,
  /** Requests that one connection may carry before it is closed. */
  requestsPerConnectionMax: 100_000,
  /** Connections at once. */
  connectionsMax: 20_000,
  /** Connections at once from one address other than this machine's own. */
  connectionsPerAddressMax: 2_000,
  /** Requests being answered at once; those beyond are told to come back. */
  requestsInFlightMax: 1_000,
  /** When a caller that was turned away may come back. */
  retryAfterSeconds: 1,
  /** A delay of the event loop above which the server calls itself degraded. */
  eventLoopDelayMsMax: 1_000,
  /** How long requests under way may take to end once the server stops. */
  stopMsMax: 10_000,
  /** The longest deadline that a request may have. */
  deadlineMsMax: 60_000,
} as const

/** The limits of one server. */
export type ServerLimits = { readonly [Name in keyof typeof SERVER_LIMITS]: number }
