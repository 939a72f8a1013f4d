import type { Duration } from '../clock/duration.ts'
import { durationMicros, formatDuration } from '../clock/duration.ts'
import { invalid } from '../errors/asof-error.ts'

/**
 * Reads one object of foreign JSON property by property; what nobody has asked for is refused by {@link end}. Every
 * refusal names the path. A property that is undefined counts as absent, so that builders can pass options through.
 */
export class JsonObject {
  readonly path: string
  readonly #properties: ReadonlyMap<string, unknown>
  readonly #read = new Set<string>()

  /** @throws {AsofError} `invalid_definition` when `json` is no object */
  constructor(json: unknown, path: string) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw wrongType(path, 'an object', json)
    }
    this.path = path
    // A Map, so that `__proto__` and the like are names as any other, known to nobody.
    this.#properties = new Map(Object.entries(json).filter(([, value]) => value !== undefined))
  }

  /** Whether the property is there. */
  has(name: string): boolean {
    return this.#properties.has(name)
  }

  /** Names of all properties, in the order written. */
  names(): string[] {
    return [...this.#properties.keys()]
  }

  /** A property, read by `read(value, path)`; it must be there. */
  need<T>(name: string, read: (json: unknown, path: string) => T): T {
    this.#read.add(name)
    if (!this.has(name)) {
      throw invalid('invalid_definition', 'a property is missing', { path: `${this.path}.${name}` })
    }
    return read(this.#properties.get(name), `${this.path}.${name}`)
  }

  /** A property that may be absent. */
  maybe<T>(name: string, read: (json: unknown, path: string) => T): T | undefined {
    this.#read.add(name)
    return this.has(name) ? this.need(name, read) : undefined
  }

  /** Refuses properties that were never asked for: call it last. */
  end(): void {
    for (const name of this.#properties.keys()) {
      if (!this.#read.has(name)) {
        throw invalid('invalid_definition', 'no such property here', { path: `${this.path}.${name}` })
      }
    }
  }
}

/** A text that is not empty and is well-formed Unicode. */
export function readText(json: unknown, path: string): string {
  if (typeof json !== 'string') throw wrongType(path, 'a text', json)
  if (json.trim() === '' || !json.isWellFormed()) {
    throw invalid('invalid_definition', 'a text that is empty or not well-formed Unicode', { path })
  }
  return json
}

/** `true` or `false`. */
export function readFlag(json: unknown, path: string): boolean {
  if (typeof json !== 'boolean') throw wrongType(path, 'true or false', json)
  return json
}

/** Reads a whole number between two bounds. */
export function wholeNumber(min: number, max: number): (json: unknown, path: string) => number {
  return (json, path) => {
    if (typeof json !== 'number') throw wrongType(path, 'a whole number', json)
    if (!Number.isInteger(json) || json < min || json > max) {
      throw invalid('invalid_definition', `a whole number from ${min} to ${max} is wanted here`, {
        path,
        value: json,
      })
    }
    return json
  }
}

/** Reads one of a few words. */
export function oneOf<const T extends string>(...words: readonly T[]): (json: unknown, path: string) => T {
  return (json, path) => {
    const word = words.find((candidate) => candidate === json)
    if (word === undefined) throw wrongType(path, words.map((each) => `'${each}'`).join(' or '), json)
    return word
  }
}

/** Reads an array, each element by `read`. */
export function arrayOf<T>(read: (json: unknown, path: string) => T): (json: unknown, path: string) => T[] {
  return (json, path) => {
    if (!Array.isArray(json)) throw wrongType(path, 'an array', json)
    return json.map((element, index) => read(element, `${path}[${index}]`))
  }
}

/** Reads an object of any names, checked by `checkKey`, into one sorted by name. */
export function recordOf<T>(
  checkKey: (name: string, path: string) => string,
  read: (json: unknown, path: string) => T,
): (json: unknown, path: string) => Record<string, T> {
  return (json, path) => {
    const object = new JsonObject(json, path)
    const entries = object.names().map((name) => [checkKey(name, path), object.need(name, read)] as const)
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

/** Reads a duration into its shortest writing, so that `60m` and `1h` are the same definition. */
export function durationFrom(minMicros: 0 | 1): (json: unknown, path: string) => Duration {
  return (json, path) => {
    if (typeof json !== 'string') throw wrongType(path, 'a duration such as 15m or 1d', json)
    let micros: number
    try {
      micros = durationMicros(json as Duration)
    } catch {
      throw invalid('invalid_duration', 'not a duration such as 30s, 15m, 1h or 7d', { path, value: json })
    }
    if (micros < minMicros)
      throw invalid('invalid_duration', 'a duration above 0 is wanted here', { path, value: json })
    return formatDuration(micros)
  }
}

/** The object without its undefined properties. */
export function compact<T extends object>(object: { [Name in keyof T]: T[Name] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

/** Freezes a tree of plain objects and arrays. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const part of Object.values(value)) deepFreeze(part)
    Object.freeze(value)
  }
  return value
}

function wrongType(path: string, wanted: string, json: unknown): Error {
  const found = json === null ? 'null' : Array.isArray(json) ? 'an array' : typeof json
  const shown = typeof json === 'string' ? json.slice(0, 100) : undefined
  return invalid('invalid_definition', `${wanted} is wanted here`, { path, found, value: shown })
}
