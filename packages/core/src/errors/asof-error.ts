/** What went wrong, in the few kinds that a caller acts on differently. */
export type ErrorKind =
  | 'invalid' // the input is wrong: change it
  | 'not_found' // what was named does not exist
  | 'conflict' // someone else was first, or the state forbids it: look again, then retry
  | 'unavailable' // a part is down or busy: retry later
  | 'denied' // not allowed
  | 'corrupt' // stored bytes are not what was written
  | 'closed' // used after close
  | 'internal' // our mistake

/** The facts behind a message: names and values, in the order in which they are printed. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>

/**
 * The one error class of asof. The message is lower case, says what to do, and ends in its values.
 *
 * @example
 * ```ts
 * const error = new AsofError('not_found', 'group_not_found', 'group not found', { group: 'user_stats' })
 * error.message // 'group not found. group=`user_stats`'
 * error.retryable // false
 * ```
 */
export class AsofError extends Error {
  override readonly name = 'AsofError'
  readonly kind: ErrorKind
  /** Stable across releases; programs may branch on it. */
  readonly code: string
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean
  readonly details: ErrorDetails

  constructor(
    kind: ErrorKind,
    code: string,
    text: string,
    details: ErrorDetails = {},
    options: { cause?: unknown; retryable?: boolean } = {},
  ) {
    super(withDetails(text, details), 'cause' in options ? { cause: options.cause } : undefined)
    this.kind = kind
    this.code = code
    this.details = details
    this.retryable = options.retryable ?? kind === 'unavailable'
  }
}

/** Short for `new AsofError('invalid', …)`. */
export function invalid(code: string, text: string, details: ErrorDetails = {}): AsofError {
  return new AsofError('invalid', code, text, details)
}

/** Short for `new AsofError('not_found', …)`. */
export function notFound(code: string, text: string, details: ErrorDetails = {}): AsofError {
  return new AsofError('not_found', code, text, details)
}

/** Short for `new AsofError('conflict', …)`. */
export function conflict(code: string, text: string, details: ErrorDetails = {}): AsofError {
  return new AsofError('conflict', code, text, details)
}

/** Short for `new AsofError('corrupt', …)`. */
export function corrupt(code: string, text: string, details: ErrorDetails = {}): AsofError {
  return new AsofError('corrupt', code, text, details)
}

/** Short for `new AsofError('internal', …)`: a broken invariant of our own. */
export function internal(text: string, details: ErrorDetails = {}): AsofError {
  return new AsofError('internal', 'internal', text, details)
}

/** Whether `error` is an AsofError, of one of `kinds` where any are given. */
export function isAsofError(error: unknown, ...kinds: ErrorKind[]): error is AsofError {
  return error instanceof AsofError && (kinds.length === 0 || kinds.includes(error.kind))
}

/** Process exit code of the command line for each kind. */
export const EXIT_CODES: Readonly<Record<ErrorKind, number>> = {
  internal: 1,
  invalid: 2,
  not_found: 3,
  conflict: 4,
  unavailable: 5,
  denied: 6,
  corrupt: 7,
  closed: 8,
}

/** HTTP status of the feature server for each kind. */
export const HTTP_STATUS: Readonly<Record<ErrorKind, number>> = {
  internal: 500,
  invalid: 400,
  not_found: 404,
  conflict: 409,
  unavailable: 503,
  denied: 403,
  corrupt: 500,
  closed: 503,
}

function withDetails(text: string, details: ErrorDetails): string {
  const shown = Object.entries(details)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=\`${String(value)}\``)
  return shown.length === 0 ? text : `${text}. ${shown.join(' ')}`
}
