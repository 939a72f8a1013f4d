import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, rm, stat } from 'node:fs/promises'
import { extname, isAbsolute, join, relative, resolve } from 'node:path'
import {
  formatInstant,
  invalid,
  isAsofError,
  type FeatureStore,
  type PushBatchResult,
  type PushName,
} from '@asof/core'
import { countOf, formatCount } from '../figures.ts'
import { fileError, type FoundProject } from '../find-project.ts'
import { restated, textOf } from '../restated-error.ts'
import type { Terminal } from '../terminal.ts'

const FORMATS: Readonly<Record<string, 'csv' | 'parquet'>> = { '.csv': 'csv', '.parquet': 'parquet' }

/** The form of a file that is pushed as one batch; undefined for lines of JSON. */
export function batchFormat(file: string | undefined): 'csv' | 'parquet' | undefined {
  const end = file === undefined ? '' : extname(file).toLowerCase()
  return Object.hasOwn(FORMATS, end) ? FORMATS[end] : undefined
}

/** Pushes a file of CSV or Parquet: one batch, whose rows that do not fit go to the quarantine. */
export async function pushFile(
  terminal: Terminal,
  store: FeatureStore,
  { config, projectFolder }: FoundProject,
  what: { readonly group: string; readonly file: string; readonly format: 'csv' | 'parquet' },
  named: PushName | undefined,
): Promise<void> {
  const { group, file, format } = what
  const name = named ?? { producer: `push:${randomUUID()}`, sequence: 0 }
  const result = await terminal.during(`pushing to ${group}`, async (progress) => {
    // Only below the project and the store may the engine read.
    const temp = join(resolve(projectFolder, config.folder ?? '.asof'), 'temp')
    const copy = isBelow(projectFolder, resolve(file))
      ? undefined
      : join(temp, `push-${randomUUID()}.${format}`)
    try {
      if (!(await stat(file)).isFile()) throw invalid('file_not_readable', 'this is no file', { file })
      if (copy !== undefined) {
        await mkdir(temp, { recursive: true })
        await copyFile(file, copy)
      }
      const call = { signal: terminal.signal, progress, wait: 'applied' } as const
      const pushed = await store.pushBatch(group, { path: copy ?? resolve(file), format }, name, call)
      await store.drain()
      return pushed
    } catch (error) {
      const known = isAsofError(error) ? error : fileError(error, file)
      throw isAsofError(known) ? restated(known, textOf(known), { ...known.details, file }) : known
    } finally {
      if (copy !== undefined) await rm(copy, { force: true })
    }
  })
  terminal.answer({ group, ...result, at: formatInstant(result.at) }, () => shown(group, result))
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return !way.startsWith('..') && !isAbsolute(way)
}

function shown(group: string, result: PushBatchResult): string {
  if (result.duplicate) return `this batch had been appended to ${group} before`
  const refused = Object.entries(result.reasons).map(
    ([reason, count]) => `${countOf(count, 'row')} ${reason}`,
  )
  const parts = [
    `${countOf(result.accepted, 'row')} appended to ${group}`,
    result.unchanged > 0 && `${formatCount(result.unchanged)} said nothing new`,
    refused.length > 0 && `refused: ${refused.join(', ')}, see \`asof quarantine list\``,
  ]
  return parts.filter((part) => part !== false).join('; ')
}
