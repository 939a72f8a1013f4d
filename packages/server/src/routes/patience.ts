import { AsofError } from '@asof/core'

/**
 * Waits for what is pushed to be seen, not for ever: a sink that is stuck costs no request.
 *
 * @throws {AsofError} `not_applied_yet`; what was pushed is durable all the same
 */
export async function patiently<Result>(
  waitMsMax: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const patience = new AbortController()
  const end = setTimeout(() => {
    const text =
      'the rows are durable, but lookups do not see them yet; repeat the push by its name to wait again'
    patience.abort(new AsofError('unavailable', 'not_applied_yet', text, { waitMsMax }))
  }, waitMsMax)
  try {
    return await work(patience.signal)
  } finally {
    clearTimeout(end)
  }
}
