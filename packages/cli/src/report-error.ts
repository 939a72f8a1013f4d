import { AsofError, EXIT_CODES, type ErrorDetails, type ErrorKind } from '@asof/core'
import { jsonDocument } from './terminal.ts'

/** Exit code of a command that Ctrl-C ended, as shells have it: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130

/** What can be done about an error by another command or option. */
export const HINTS: Readonly<Record<string, string>> = {
  breaking_change: 'see `asof plan`; `asof apply --allow-breaking` does it all the same',
  group_not_found: 'see `asof status` for the groups that are applied',
  service_not_found: 'see `asof search kind:service` for the services that are applied',
  not_materialized: 'run `asof materialize`',
  label_beyond_horizon: 'run `asof materialize`, or give `--wait`',
  path_outside_project: 'copy it into the project, where the engine may read',
  output_exists: 'choose another `--to`, or give `--overwrite`',
}

/** An error as a command answers it. */
export interface ReportedError {
  readonly exitCode: number
  /** On stderr. */
  readonly text: string
}

/** What programs are told of an error. */
export interface ErrorDocument {
  readonly code: string
  readonly kind: ErrorKind
  readonly message: string
  readonly retryable: boolean
  readonly details: ErrorDetails
  /** What else can be done about it. */
  readonly hint?: string
}

/** An error as programs are told it. */
export function errorDocument(error: unknown): ErrorDocument {
  const { kind, code, message, retryable, details } = asofError(error)
  const { similar } = details
  const hint = typeof similar === 'string' ? `did you mean ${similar}?` : HINTS[code]
  return { code, kind, message, retryable, details, ...(hint !== undefined && { hint }) }
}

/**
 * What a command says of an error, and its exit code: one message for people, a JSON document for programs. The stack is
 * shown where `debug` is set.
 */
export function reportError(
  error: unknown,
  options: { readonly json: boolean; readonly debug: boolean; readonly interrupted: boolean },
): ReportedError {
  // What a cancelled call throws says nothing more than that.
  if (options.interrupted) {
    const message = 'interrupted: what was committed before stays, nothing else was changed'
    const json = {
      error: { code: 'interrupted', kind: 'unavailable', message, retryable: true, details: {} },
    }
    return { exitCode: EXIT_INTERRUPTED, text: `${options.json ? jsonDocument(json) : `asof: ${message}`}\n` }
  }
  const document = errorDocument(error)
  const { kind, message, hint } = document
  const stack = options.debug ? stackOf(error) : undefined
  const text = options.json
    ? jsonDocument({ error: { ...document, stack } })
    : [`asof: ${printable(message)}`, hint && `      ${hint}`, stack]
        .filter((line) => line !== undefined)
        .join('\n')
  return { exitCode: EXIT_CODES[kind], text: `${text}\n` }
}

interface KnownError {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly details: ErrorDetails
}

/** A project may have brought its own copy of the class, so it is known by its shape. */
function asofError(error: unknown): KnownError {
  if (error instanceof Error && error.name === 'AsofError' && (error as AsofError).kind in EXIT_CODES) {
    return error as AsofError
  }
  const message = error instanceof Error ? error.message : String(error)
  return new AsofError(
    'internal',
    'internal',
    `something unexpected failed: ${message}; ASOF_DEBUG=1 shows where`,
  )
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

/** Values in a message may come from anywhere; none may move the cursor. */
function printable(message: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
  return message.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, ' ')
}
