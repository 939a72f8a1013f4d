import { invalid } from '../errors/asof-error.ts'

const NAME = /^[a-z][a-z0-9_]{0,62}$/
const FORBIDDEN = new Set(['constructor', 'prototype', 'then', 'tostring', 'hasownproperty', 'valueof'])
/** Columns that asof adds to every table and answer. */
const RESERVED = new Set(['event_timestamp', 'created_timestamp', 'seq', 'is_deleted'])

/**
 * Checks a name against `^[a-z][a-z0-9_]{0,62}$` and the few words that mean something to JavaScript.
 *
 * @throws {AsofError} `invalid_name`
 */
export function checkName(name: unknown, what: string, path?: string): string {
  if (typeof name !== 'string' || !NAME.test(name) || FORBIDDEN.has(name)) {
    throw invalid('invalid_name', `a ${what} is named by a-z, 0-9 and _, from a letter on, at most 63`, {
      path,
      name: String(name).slice(0, 100),
    })
  }
  return name
}

/** Checks the name of a key or a feature: a name that is not one of asof's own columns. */
export function checkColumnName(name: unknown, what: string, path?: string): string {
  const checked = checkName(name, what, path)
  if (RESERVED.has(checked)) {
    throw invalid('reserved_name', 'asof itself uses this name; choose another', { path, name: checked })
  }
  return checked
}
