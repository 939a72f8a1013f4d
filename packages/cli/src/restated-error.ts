import { AsofError } from '@asof/core'

/** An error said with other words and values, of the same kind and code. */
export function restated(error: AsofError, text: string, details: AsofError['details']): AsofError {
  return new AsofError(error.kind, error.code, text, details, { cause: error, retryable: error.retryable })
}

/** A message without its values. */
export function textOf(error: AsofError): string {
  const [name] = Object.entries(error.details).find(([, value]) => value !== undefined) ?? []
  return name === undefined
    ? error.message
    : error.message.slice(0, error.message.lastIndexOf(`. ${name}=\``))
}
