// Writes the pages of docs/reference that are made from code.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages } from './reference/pages.ts'

for (const { path, text } of await referencePages()) {
  const file = join(import.meta.dirname, '..', path)
  const before = readTextOr(file, '')
  if (before !== text) writeFileSync(file, text)
  console.log(`${path}: ${before === text ? 'as it was' : 'written'}`)
}

function readTextOr(file: string, fallback: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return fallback
  }
}
