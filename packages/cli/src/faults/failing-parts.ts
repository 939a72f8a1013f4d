// Parts of a store that fail, are counted, or do something else, at one call among all the calls that change something.
import type { FeatureStoreParts } from '@asof/core'

/** The calls that change what lasts, by part. */
const CHANGING = {
  log: ['append', 'reserve', 'advance'],
  online: ['write', 'remove'],
  offline: ['ensure', 'append'],
  staging: ['sync', 'share', 'remove'],
} as const

/** Calls seen so far, in order: `online.write` and so on. */
export interface Calls {
  readonly seen: string[]
}

/** What happens around a call, by its number from 1 on. */
export interface Watch {
  readonly before?: (call: number) => unknown
  readonly after?: (call: number) => unknown
}

/**
 * Puts a watch around the parts: `before` and `after` see each call that changes something, by its number from 1 on; a
 * throw of theirs is what the store sees.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict'
 *
 * const calls: Calls = { seen: [] }
 * const before = (call: number): void => assert.notEqual(call, 3, 'the third call fails')
 * await using faults = await openFaultStore(project('shop', [userStats]), {
 *   wrap: (parts) => watched(parts, calls, { before }),
 * })
 * await faults.store.apply()
 * await faults.store.push(userStats, [{ user_id: 'ann', event_timestamp: NOON, orders: 1 }])
 * calls.seen // ['log.append']
 * ```
 */
export function watched(parts: FeatureStoreParts, calls: Calls, watch: Watch): FeatureStoreParts {
  const wrap = <Part extends object>(name: keyof typeof CHANGING, part: Part): Part =>
    around(part, (method, call) => {
      if (!(CHANGING[name] as readonly string[]).includes(method)) return call()
      const number = calls.seen.push(`${name}.${method}`)
      watch.before?.(number)
      return (call() as Promise<unknown>).then((result) => {
        watch.after?.(number)
        return result
      })
    })
  return {
    ...parts,
    log: wrap('log', parts.log),
    online: wrap('online', parts.online),
    offline: wrap('offline', parts.offline),
    staging: wrap('staging', parts.staging),
  }
}

/** A part each of whose calls goes through `through`. */
export function around<Part extends object>(
  part: Part,
  through: (method: string, call: () => unknown, given: readonly unknown[]) => unknown,
): Part {
  return new Proxy(part, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target)
      if (typeof member !== 'function') return member
      return (...given: unknown[]) =>
        through(String(property), () => Reflect.apply(member, target, given) as unknown, given)
    },
  })
}
