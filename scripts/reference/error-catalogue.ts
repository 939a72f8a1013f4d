import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportedTexts, thrownErrors, type ThrownError } from './thrown-errors.ts'

/** Every error of one code and kind. */
export interface CataloguedError {
  readonly code: string
  readonly kind: string
  /** Whether the same call may succeed later; undefined where that differs from case to case. */
  readonly retryable: boolean | undefined
  /** What it says, sorted. */
  readonly texts: readonly string[]
  /** Names of the packages that make it, sorted. */
  readonly packages: readonly string[]
}

const REPOSITORY = join(import.meta.dirname, '../..')

/** What the sources say of errors in a way that cannot be read: how many such places a file has, and what they make. */
const BY_HAND: Readonly<
  Record<string, { readonly places: number; readonly errors?: readonly ThrownError[] }>
> = {
  // A parser's fault has a code of its own, from a table.
  'packages/server/src/error-answers.ts': {
    places: 1,
    errors: [
      {
        kind: 'invalid',
        code: 'headers_too_large',
        texts: ['the headers are larger than this server takes'],
      },
      { kind: 'invalid', code: 'request_timeout', texts: ['the request did not arrive in time'] },
      { kind: 'invalid', code: 'malformed_http', texts: ['this is no HTTP/1.1'] },
    ],
  },
  // The text of an instant that is refused, without the instant: it is in the list by its own code.
  'packages/core/src/ingest/push.ts': {
    places: 1,
    errors: [{ kind: 'invalid', code: 'invalid_event_time', texts: ['not an instant …'] }],
  },
  // Made by the command itself, before there is an error.
  'packages/cli/src/bin.ts': {
    places: 0,
    errors: [{ kind: 'invalid', code: 'usage', texts: ['the command line is not one that asof has'] }],
  },
  'packages/cli/src/report-error.ts': {
    places: 0,
    errors: [
      {
        kind: 'unavailable',
        code: 'interrupted',
        texts: ['interrupted: what was committed before stays, nothing else was changed'],
      },
    ],
  },
  // These tell an error on, under its own code.
  'packages/cli/src/restated-error.ts': { places: 1 },
  'packages/client/src/asof-error.ts': { places: 1 },
  'packages/client/src/exchange.ts': { places: 1 },
  'packages/client/src/push-line.ts': { places: 1 },
}

/** What all broken invariants say, whatever they are. */
const INTERNAL_TEXT = 'a mistake of asof itself, which the message names: please report it'

/**
 * Every error that a published package makes, by code.
 *
 * @throws Error where a source makes an error in a way that cannot be read, naming the place
 */
export function errorCatalogue(): CataloguedError[] {
  const sources = new Map(sourceFiles().map((file) => [file, readFileSync(join(REPOSITORY, file), 'utf8')]))
  const texts = new Map([...sources.values()].flatMap((source) => [...exportedTexts(source)]))
  const found = new Map<string, (ThrownError & { readonly from: string })[]>()
  for (const [file, source] of sources) {
    const { thrown, unread } = thrownErrors(source, (name) => texts.get(name))
    const byHand = BY_HAND[file]
    if (unread.length !== (byHand?.places ?? 0)) {
      throw new Error(
        `${file}: errors in the lines ${unread.join(', ')} cannot be read; write code and text as literals, or name them in scripts/reference/error-catalogue.ts`,
      )
    }
    const from = packageOf(file)
    for (const error of [...thrown, ...(byHand?.errors ?? [])]) {
      const key = `${error.code} ${error.kind}`
      found.set(key, [...(found.get(key) ?? []), { ...error, from }])
    }
  }
  return [...found.keys()].sort().map((key) => entryOf(found.get(key)!))
}

/** The sources of the packages that a user installs, without their tests. */
export function sourceFiles(): string[] {
  return globSync('{packages,adapters}/*/src/**/*.ts', { cwd: REPOSITORY })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => !/\.test(-d)?\.ts$|^packages\/testing\/|\/src\/(?:faults|crash)\//.test(file))
    .sort()
}

function entryOf(errors: readonly (ThrownError & { readonly from: string })[]): CataloguedError {
  const { code, kind } = errors[0]!
  const said = new Set(errors.map(({ retryable }) => retryable ?? kind === 'unavailable'))
  const texts =
    kind === 'internal' && code === 'internal' ? [INTERNAL_TEXT] : errors.flatMap((error) => error.texts)
  return {
    code,
    kind,
    retryable: said.size === 1 ? [...said][0] : undefined,
    texts: [...new Set(texts)].sort(),
    packages: [...new Set(errors.map(({ from }) => from))].sort(),
  }
}

function packageOf(file: string): string {
  const folder = file.split('/').slice(0, 2).join('/')
  return (JSON.parse(readFileSync(join(REPOSITORY, folder, 'package.json'), 'utf8')) as { name: string }).name
}
