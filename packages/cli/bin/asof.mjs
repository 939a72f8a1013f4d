#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one is told what it lacks.
import { existsSync } from 'node:fs'

const built = new URL('../dist/bin.js', import.meta.url)
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18))
  fail(`needs Node 22.18 or later. found=\`${process.version}\``)
if (!existsSync(built)) fail('is not built yet: run `npm run setup`')
await import(built.href)

function fail(text) {
  console.error(`asof: ${text}`)
  process.exit(1)
}
