import { AsofError } from '@asof/core'
import type { preParsingHookHandler } from 'fastify'

/**
 * Bounds what the bodies of all requests of a route take together while they arrive and until they are answered: each may be
 * large, and there may be many. The one that would be too much is told to come back.
 *
 * @param bytesMax of all of them; more than one may have
 */
export function heldBodies(bytesMax: number): preParsingHookHandler {
  let held = 0
  return (_, reply, payload, done) => {
    let own = 0
    const count = (chunk: Buffer): void => {
      own += chunk.length
      held += chunk.length
      if (held <= bytesMax) return
      payload.off('data', count)
      // What is left of it is not waited for.
      void reply.header('connection', 'close')
      const text = 'the server holds as many pushed rows as it can; come back later'
      payload.emit('error', new AsofError('unavailable', 'overloaded', text))
    }
    payload.on('data', count)
    reply.raw.once('close', () => (held -= own))
    done(null, payload)
  }
}
