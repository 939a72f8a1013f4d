import { AsofError } from '@asof/core'

/** Lets a few do heavy work at once while more wait for their turn, and refuses those beyond. */
export class Turns {
  readonly #atOnceMax: number
  readonly #admittedMax: number
  #admitted = 0
  #working = 0
  #waiting: (() => void)[] = []

  constructor(atOnceMax: number, admittedMax: number) {
    this.#atOnceMax = atOnceMax
    this.#admittedMax = admittedMax
  }

  /**
   * Does work; `turn` resolves when its heavy part may begin.
   *
   * @throws {AsofError} `overloaded` where as many are admitted as may be
   */
  async take<Result>(work: (turn: () => Promise<void>) => Promise<Result>): Promise<Result> {
    if (this.#admitted >= this.#admittedMax) {
      throw new AsofError(
        'unavailable',
        'overloaded',
        'the server has too many batches to do; come back later',
      )
    }
    this.#admitted++
    let mine = false
    try {
      return await work(async () => {
        if (this.#working >= this.#atOnceMax) await new Promise<void>((go) => this.#waiting.push(go))
        else this.#working++
        mine = true
      })
    } finally {
      this.#admitted--
      // A turn passes from hand to hand.
      if (mine) {
        const next = this.#waiting.shift()
        if (next === undefined) this.#working--
        else next()
      }
    }
  }
}
