import { AsofError, failure, isAsofError } from './asof-error.ts'
import type { PushName } from './service-types.ts'

/**
 * Gives pushes their names and sends them one after the other, per producer: of two on their way at once the one that is
 * overtaken would be answered as a duplicate.
 *
 * Where it stays unknown whether a push was appended, its name is the last of its producer, and the next push has another one:
 * so the caller may repeat it under its name, which is in the error, and it is appended once.
 */
export class PushLine {
  #producer = ownProducer()
  #sequence = 0
  readonly #ends = new Map<string, Promise<void>>()

  /**
   * Sends a push when those before it are answered.
   *
   * @param given a name of the caller's own
   * @param inTime waits for its turn, as long as the caller wants to; what it throws says that nothing was sent
   */
  async send<T>(
    given: PushName | undefined,
    inTime: (turn: Promise<void>) => Promise<void>,
    send: (name: PushName) => Promise<T>,
  ): Promise<T> {
    const producer = given?.producer ?? OWN
    const before = this.#ends.get(producer) ?? Promise.resolve()
    let leave = (): void => undefined
    const own = new Promise<void>((resolve) => {
      leave = resolve
    })
    // One that is tired of waiting leaves the line to those before it.
    const end = before.then(async () => await own)
    this.#ends.set(producer, end)
    try {
      await inTime(before)
      return await this.#named(given, send)
    } finally {
      leave()
      void end.then(() => {
        if (this.#ends.get(producer) === end) this.#ends.delete(producer)
      })
    }
  }

  async #named<T>(given: PushName | undefined, send: (name: PushName) => Promise<T>): Promise<T> {
    const name = given ?? { producer: this.#producer, sequence: ++this.#sequence }
    try {
      return await send(name)
    } catch (error) {
      if (isAsofError(error, ...DEFINITE)) throw error
      if (given === undefined) {
        this.#producer = ownProducer()
        this.#sequence = 0
      }
      throw isAsofError(error) ? unknownPush(error, name) : error
    }
  }
}

/** Kinds that say that nothing was appended. */
const DEFINITE = ['invalid', 'not_found', 'conflict', 'denied'] as const

/** The line of the client's own producers; no producer has an empty name. */
const OWN = ''

function ownProducer(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `client:${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

function unknownPush(error: AsofError, name: PushName): AsofError {
  const text = 'it is not known whether the rows were appended: repeat the push under this name'
  const details = { code: error.code, producer: name.producer, sequence: name.sequence }
  return failure('unavailable', error.code, text, details, { cause: error })
}
