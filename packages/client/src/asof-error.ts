import type { WireErrorKind } from './wire.ts'

/** What went wrong, in the few kinds that a caller acts on differently; the same as in process. */
export type ErrorKind = WireErrorKind

/** The facts behind a message: names and values, in the order in which they are printed. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>

/**
 * The one error class of the client. What the server refused has the kind, the code and the message that it has in process;
 * kind `unavailable` also says that the server cannot be reached.
 *
 * @example
 * ```ts
 * try {
 *   await client.get('no_such_model', { airport: 'LAX' })
 * } catch (error) {
 *   if (!isAsofError(error, 'not_found')) throw error
 * }
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

  /** @param message whole, with its values */
  constructor(
    kind: ErrorKind,
    code: string,
    message: string,
    details: ErrorDetails = {},
    options: { readonly cause?: unknown; readonly retryable?: boolean } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.kind = kind
    this.code = code
    this.details = details
    this.retryable = options.retryable ?? kind === 'unavailable'
  }
}

/** An error of the client's own: the message is the text and its values. */
export function failure(
  kind: ErrorKind,
  code: string,
  text: string,
  details: ErrorDetails = {},
  options: { readonly cause?: unknown; readonly retryable?: boolean } = {},
): AsofError {
  const shown = Object.entries(details).map(([name, value]) => `${name}=\`${String(value)}\``)
  return new AsofError(
    kind,
    code,
    [text, ...(shown.length === 0 ? [] : [shown.join(' ')])].join('. '),
    details,
    options,
  )
}

/** Whether `error` is an error of asof, of the client or in process, of one of `kinds` where any are given. */
export function isAsofError(error: unknown, ...kinds: ErrorKind[]): error is AsofError {
  if (!(error instanceof Error) || error.name !== 'AsofError') return false
  return kinds.length === 0 || kinds.includes((error as AsofError).kind)
}
