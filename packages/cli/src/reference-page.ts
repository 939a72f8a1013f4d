import type { Command } from 'commander'
import { argumentTerms, commandPath, examplesOf } from './program.ts'

/** What each exit code means; the page and the errors' kinds are held together by a test. */
export const EXIT_CODE_MEANINGS: readonly (readonly [code: number, kind: string, meaning: string])[] = [
  [0, '', 'done'],
  [1, 'internal', 'a mistake of asof itself; `ASOF_DEBUG=1` shows where'],
  [2, 'invalid', 'the command line, a definition or a row is wrong: change it'],
  [3, 'not_found', 'what was named does not exist'],
  [4, 'conflict', 'someone else was first, or the state forbids it: look again'],
  [5, 'unavailable', 'something is busy, or not there yet: try again later'],
  [6, 'denied', 'not allowed'],
  [7, 'corrupt', 'stored bytes are not what was written, or a training set is not what its manifest says'],
  [8, 'closed', 'used after it was closed'],
  [130, '', 'interrupted by Ctrl-C or SIGTERM'],
]

/** The reference of the command line as Markdown, made from the commands themselves. */
export function referencePage(program: Command): string {
  const commands = leaves(program)
  return `${[
    '# The command `asof`',
    '',
    'Made from the commands themselves; `asof help COMMAND` says the same.',
    '',
    '| command | |',
    '|---|---|',
    ...commands.map(
      (command) =>
        `| [\`${commandPath(command)}\`](#${commandPath(command).replaceAll(' ', '-')}) | ${cell(command.summary())} |`,
    ),
    '',
    ...GENERAL,
    '## Exit codes',
    '',
    '| code | kind | meaning |',
    '|---:|---|---|',
    ...EXIT_CODE_MEANINGS.map(
      ([code, kind, meaning]) => `| ${code} | ${kind && `\`${kind}\``} | ${meaning} |`,
    ),
    ...commands.flatMap(section),
  ].join('\n')}\n`
}

const GENERAL = [
  'A project is found by `asof.config.ts` (or `.js`, `.mjs`) in the working folder or above; `--project` names another folder, or a',
  'file of definitions as `asof export` prints it. Its store is the folder `.asof` beside it unless the configuration or `--store`',
  'says otherwise.',
  '',
  'Instants are RFC 3339 with a zone: `2024-01-31T12:00:00Z`. Answers go to stdout, everything else (progress, notes, errors) to',
  'stderr. With `--json` the answer is one JSON document, and so is an error: `{"error": {"code", "kind", "message", "retryable",',
  '"details"}}`. In JSON an int64 is a string of digits, a timestamp RFC 3339 UTC with six decimals, `NaN`, the infinities and `-0` are',
  'strings. Colours are used on a terminal unless `NO_COLOR` is set. Ctrl-C stops what is under way and leaves nothing half done.',
  '',
]

function section(command: Command): string[] {
  const options = command.options.map((option) => {
    const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`
    const fallback = option.defaultValue === undefined ? '' : `; default \`${String(option.defaultValue)}\``
    const must = option.mandatory ? '; required' : ''
    return `| \`${cell(option.flags)}\` | ${cell(option.description)}${choices}${fallback}${must} |`
  })
  return [
    '',
    `## ${commandPath(command)}`,
    '',
    '```',
    `${commandPath(command)} [options] ${argumentTerms(command)}`.trim(),
    '```',
    '',
    command.description(),
    '',
    '| option | |',
    '|---|---|',
    ...options,
    '',
    '```sh',
    ...examplesOf(command),
    '```',
  ]
}

/** Every command that does something, in the order of the help. */
export function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
