import type { Progress } from '@asof/core'
import pc from 'picocolors'
import { startProgress } from './progress-report.ts'

/** Colours, which do nothing where they are not wanted. */
export type Colours = ReturnType<typeof pc.createColors>

/** A stream that text is written to. */
export interface TextStream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** Where a command prints, and how. */
export interface Terminal {
  /** One JSON document instead of text. */
  readonly json: boolean
  readonly colours: Colours
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** Prints a command's answer: the document with `--json`, else the text. */
  answer(document: unknown, text: () => string): void
  /** Says something beside the answer, on stderr; nothing with `--json`. */
  note(text: string): void
  /** Runs long work with a progress bar, or with a line every few seconds where nobody watches. */
  during<T>(label: string, work: (progress: Progress) => Promise<T>): Promise<T>
}

/** A terminal over two streams. */
export function openTerminal(options: {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly json: boolean
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
}): Terminal {
  const { stdout, stderr, json, signal, env } = options
  const colours = pc.createColors(wantsColours(stdout, env))
  return {
    json,
    colours,
    signal,
    answer(document, text) {
      stdout.write(`${json ? jsonDocument(document) : text()}\n`)
    },
    note(text) {
      if (!json) stderr.write(`${text}\n`)
    },
    async during(label, work) {
      const report = startProgress(stderr, label)
      try {
        return await work(report.update)
      } finally {
        report.stop()
      }
    },
  }
}

/** Whether a stream takes colours: on a terminal, unless `NO_COLOR` says otherwise. */
export function wantsColours(stream: TextStream, env: Readonly<Record<string, string | undefined>>): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}

/** A value as indented JSON; a bigint is a string of digits, and what is undefined is left out. */
export function jsonDocument(document: unknown): string {
  return JSON.stringify(
    document,
    (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
    2,
  )
}
