import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EmbeddedOptions, ProjectConfig } from 'asof'
import { LIMITS, SINK_SETTINGS, type FeatureStoreSettings } from '@asof/core'
import { SERVER_LIMITS } from '@asof/server'
import { CONFIG_FILES } from '../../packages/cli/src/config-files.ts'
import { createProgram } from '../../packages/cli/src/program.ts'
import { leaves } from '../../packages/cli/src/reference-page.ts'
import { declaredMembers, type DeclaredMember } from './declared-members.ts'
import { environmentRead, ENVIRONMENT } from './environment.ts'
import { codeCell, markdownTable, plainCell } from './markdown-table.ts'

const REPOSITORY = join(import.meta.dirname, '../..')
const STORE = 'packages/core/src/feature-store/feature-store.ts'

/** What a program says when it opens a store, and a configuration does not. */
const IN_CODE_ONLY: Readonly<Record<Exclude<keyof EmbeddedOptions, keyof ProjectConfig>, true>> = {
  projectFolder: true,
  telemetry: true,
  wall: true,
}

/** What the settings of a store are about. */
const SETTINGS: Readonly<Record<keyof FeatureStoreSettings, string>> = {
  namespace: 'Begins every online key; one per project and store.',
  sinks: 'How the log is followed into the online and the offline store.',
}

/** The reference of everything that can be set, and of every limit, as Markdown. */
export function configurationPage(): string {
  const options = membersOf('packages/cli/src/embedded.ts', 'EmbeddedOptions')
  const [inCode, inConfig] = [true, false].map((wanted) =>
    options.filter(({ name }) => Object.hasOwn(IN_CODE_ONLY, name) === wanted),
  )
  return `${[
    '# Configuration',
    '',
    'Settings are values in code: there is one file, and nothing is read from anywhere else but the few environment variables below.',
    '',
    '## The file `asof.config.ts`',
    '',
    `The first of ${CONFIG_FILES.map((file) => `\`${file}\``).join(', ')} in the working folder or above is a project, and its folder is the`,
    "project's. Its default export is what `defineConfig` takes:",
    '',
    '```ts',
    "import { defineConfig, project } from 'asof'",
    "import { delayModel } from './features.ts'",
    '',
    "export default defineConfig({ project: project('flights', [delayModel]), threads: 2, memoryMb: 1024 })",
    '```',
    '',
    ...optionTable(inConfig!),
    '',
    '## `openFeatureStore`',
    '',
    'A program that opens a store itself gives the same, and:',
    '',
    ...optionTable(inCode!),
    '',
    '## `settings`',
    '',
    ...markdownTable(
      ['setting', 'default', 'meaning'],
      Object.entries(SETTINGS).map(([name, says]) => [
        codeCell(name),
        name === 'namespace' ? namespaceDefault() : 'as below',
        says,
      ]),
    ),
    '',
    '`settings.sinks` is given whole: `{ ...SINK_SETTINGS, flushMs: 5_000 }`.',
    '',
    ...settingTable(membersOf('packages/core/src/ingest/sinks.ts', 'SinkSettings'), (name) =>
      amountOf(name, SINK_SETTINGS[name as keyof typeof SINK_SETTINGS]),
    ),
    '',
    '## The feature server',
    '',
    '`asof serve` takes its settings from the command line:',
    '',
    ...serveTable(),
    '',
    'A token file has a line `TOKEN read|write [name]` for each token, and comments from `#` on; a token has at least 32 of',
    '`A-Z a-z 0-9 _ . ~ -`, and `write` includes `read`. The file is read again when it changes; where the new one is not usable, the',
    'tokens before hold, and the log says so.',
    '',
    'A program that makes a server itself, by `createServer`, gives:',
    '',
    ...optionTable(membersOf('packages/server/src/server.ts', 'ServerOptions')),
    '',
    '### Limits of a server',
    '',
    'Each can be set otherwise by `createServer({ limits })`. What passes one is refused, never cut off.',
    '',
    ...limitTable(membersOf('packages/server/src/limits.ts', 'SERVER_LIMITS'), SERVER_LIMITS),
    '',
    '## The client',
    '',
    'What `connect(url, options)` takes:',
    '',
    ...optionTable(membersOf('packages/client/src/client.ts', 'ConnectOptions')),
    '',
    '## Environment variables',
    '',
    ...markdownTable(
      ['variable', 'meaning'],
      environmentRead().map((name) => [codeCell(name), ENVIRONMENT[name] ?? '']),
    ),
    '',
    '## Limits',
    '',
    'They are the same everywhere and cannot be set: what fits one store fits any other. Passing one is an error that names it.',
    '',
    ...limitTable(membersOf('packages/core/src/limits/limits.ts', 'LIMITS'), LIMITS),
  ].join('\n')}\n`
}

/** What is clear to who reads the code beside it, and is said here. */
const SAID_HERE: Readonly<Record<string, string>> = {
  'ServerOptions.store': "The store that is served; it is its owner's to close.",
  'ServerOptions.log': 'Where the server says what happens; nowhere by default.',
  'ServerOptions.telemetry': 'Where counts, times and spans go; nowhere by default.',
  'ServerOptions.limits': 'Limits other than those below.',
}

/** @throws Error for a member that nothing is said of: what can be set needs a sentence */
function membersOf(file: string, name: string): DeclaredMember[] {
  return declaredMembers(readFileSync(join(REPOSITORY, file), 'utf8'), name).map((member) => {
    const says = member.says || SAID_HERE[`${name}.${member.name}`]
    if (says === undefined) throw new Error(`${file}: ${name}.${member.name} needs a doc comment`)
    return { ...member, says }
  })
}

function optionTable(members: readonly DeclaredMember[]): string[] {
  return markdownTable(
    ['option', 'type', 'meaning'],
    members.map(({ name, isOptional, declared, says }) => [
      codeCell(name),
      codeCell(declared),
      `${plainCell(says)}${isOptional || / by default/.test(says) ? '' : ' Required.'}`,
    ]),
  )
}

function settingTable(members: readonly DeclaredMember[], defaultOf: (name: string) => string): string[] {
  return markdownTable(
    ['setting', 'default', 'meaning'],
    members.map(({ name, says }) => [codeCell(name), defaultOf(name), plainCell(says)]),
  )
}

function limitTable(members: readonly DeclaredMember[], values: Readonly<Record<string, number>>): string[] {
  return markdownTable(
    ['limit', '>value', 'of what'],
    members.map(({ name, says }) => [codeCell(name), amountOf(name, values[name]!), plainCell(says)]),
  )
}

/** The options of `asof serve`, beside those of every command. */
function serveTable(): string[] {
  const serve = leaves(createProgram(async () => undefined, '0.0.0')).find(
    (command) => command.name() === 'serve',
  )
  if (serve === undefined) throw new Error('asof serve is not among the commands')
  return markdownTable(
    ['option', 'default', 'meaning'],
    serve.options.map(({ flags, defaultValue, description, argChoices }) => [
      codeCell(flags),
      defaultValue === undefined ? '' : codeCell(String(defaultValue)),
      plainCell(argChoices === undefined ? description : `${description} (${argChoices.join(', ')})`),
    ]),
  )
}

/** What online keys begin with where nobody says: it stands in the constructor alone. */
function namespaceDefault(): string {
  const found = /namespace: '(\w+)'/.exec(readFileSync(join(REPOSITORY, STORE), 'utf8'))?.[1]
  if (found === undefined) throw new Error(`${STORE} no longer says what the namespace is by default`)
  return codeCell(found)
}

const DIVISORS: Readonly<Record<string, readonly (readonly [factor: number, unit: string])[]>> = {
  bytes: [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ],
  ms: [
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ],
  micros: [
    [3_600_000_000, 'h'],
    [60_000_000, 'min'],
    [1_000_000, 's'],
  ],
  seconds: [],
}
const UNIT_OF_NAME: readonly (readonly [pattern: RegExp, unit: string, shown: string])[] = [
  [/Bytes(Max)?$/, 'bytes', 'bytes'],
  [/Ms(Max)?$/, 'ms', 'ms'],
  [/Micros$/, 'micros', 'µs'],
  [/Seconds$/, 'seconds', 's'],
]

/** A number with the unit that its name says, in the largest unit in which it is whole, or as a plain number. */
function amountOf(name: string, value: number): string {
  const [, unit, shown] = UNIT_OF_NAME.find(([pattern]) => pattern.test(name)) ?? []
  const plain = value.toLocaleString('en-US').replaceAll(',', ' ')
  if (unit === undefined || shown === undefined) return plain
  const larger = DIVISORS[unit]!.find(([factor]) => value >= factor && value % factor === 0)
  return larger === undefined ? `${plain} ${shown}` : `${value / larger[0]} ${larger[1]}`
}
