/** The part of cli-progress that is used; the package has no types. */
declare module 'cli-progress' {
  export class SingleBar {
    constructor(options: {
      readonly stream: NodeJS.WritableStream
      readonly format: string
      readonly barCompleteChar: string
      readonly barIncompleteChar: string
      readonly barsize: number
      readonly hideCursor: boolean
      readonly clearOnComplete: boolean
      readonly noTTYOutput: boolean
      readonly linewrap: boolean
      readonly gracefulExit: boolean
    })
    start(total: number, done: number, payload: object): void
    update(done: number, payload: object): void
    setTotal(total: number): void
    stop(): void
  }
}
