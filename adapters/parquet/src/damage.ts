/** A file is not what was written. Its reader says so as it is used to; this package has no errors of its own kind. */
export class DamagedFile extends Error {
  override readonly name = 'DamagedFile'
  readonly path: string
  /** What is wrong with it. */
  readonly what: string

  constructor(path: string, what: string) {
    super(`${path}: ${what}`)
    this.path = path
    this.what = what
  }
}

/** A file holds what this reader does not read, though another one may. */
export class BeyondReader extends Error {
  override readonly name = 'BeyondReader'
  readonly path: string
  /** What is not read. */
  readonly what: string

  constructor(path: string, what: string) {
    super(`${path}: ${what}`)
    this.path = path
    this.what = what
  }
}
