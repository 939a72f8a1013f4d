import { createRequire } from 'node:module'

/** The version of this program, as its package says it. */
export const asofVersion: string = (
  createRequire(import.meta.url)('../package.json') as { readonly version: string }
).version
