import type { Command, Option } from 'commander'

/** A word that could stand at the cursor. */
export interface Candidate {
  readonly value: string
  readonly description?: string
}

/** What could stand at the cursor. */
export interface Completion {
  readonly candidates: readonly Candidate[]
  /** Where there is no candidate: whether the shell may offer files. */
  readonly files: boolean
  /** No space after it, as a value comes next: `origin=`. */
  readonly open: boolean
}

/** Names of the project, as the registry has them; asked for only where one can stand. */
export interface ProjectNames {
  readonly services: readonly Candidate[]
  readonly groups: readonly Candidate[]
  readonly entities: readonly Candidate[]
  readonly sources: readonly Candidate[]
  /** `group:feature`. */
  readonly features: readonly Candidate[]
  /** Names that a lookup of a service is asked with. */
  keysOf(service: string): readonly Candidate[]
  requestOf(service: string): readonly Candidate[]
}

/** The shells that can be completed in. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** What names a file or a folder, of arguments and of the values of options. */
const PATHS = new Set(['file', 'path', 'folder', 'definitions'])
const NOTHING: Completion = { candidates: [], files: false, open: false }
const FILES: Completion = { candidates: [], files: true, open: false }

/**
 * What could stand in place of the last word: a command, an option, one of an option's choices, or a name of the project.
 *
 * @param words those after `asof`; the last one is being written, and may be empty
 * @param names read when a name of the project is wanted; undefined where there is no project
 */
export async function completeWords(
  program: Command,
  words: readonly string[],
  names: () => Promise<ProjectNames | undefined>,
): Promise<Completion> {
  const current = words.at(-1) ?? ''
  const before = readWords(program, words.slice(0, -1))
  const { command, pending, given, literal } = before
  if (pending !== undefined) return await optionValue(pending, given, current, names)
  if (current.startsWith('-') && !literal) {
    const [flag, value] = splitFlag(current)
    const option = value === undefined ? undefined : findOption(command, flag)
    if (option !== undefined) return NOTHING
    return matching(current, optionsOf(command), false)
  }
  if (command.commands.length > 0) {
    // What was named already is no command.
    if (given.length > 0) return NOTHING
    const shown = command.createHelp().visibleCommands(command)
    return matching(
      current,
      shown.map((each) => ({ value: each.name(), description: each.summary() })),
      false,
    )
  }
  const { registeredArguments } = command
  const argument =
    registeredArguments[given.length] ?? registeredArguments.findLast(({ variadic }) => variadic)
  if (argument === undefined) return NOTHING
  if (argument.argChoices !== undefined) return matching(current, choices(argument.argChoices), false)
  return await named(argument.name(), given, current, names)
}

interface ReadWords {
  readonly command: Command
  /** An option whose value comes next. */
  readonly pending: Option | undefined
  /** Arguments of the command. */
  readonly given: readonly string[]
  /** After `--`: what begins with a dash is an argument. */
  readonly literal: boolean
}

function readWords(program: Command, words: readonly string[]): ReadWords {
  let command = program
  let pending: Option | undefined
  let literal = false
  const given: string[] = []
  for (const word of words) {
    if (pending !== undefined) {
      pending = undefined
      continue
    }
    if (word === '--') literal = true
    else if (word.startsWith('-') && !literal) {
      const [flag, value] = splitFlag(word)
      const option = findOption(command, flag)
      if (option !== undefined && takesValue(option) && value === undefined) pending = option
    } else {
      const next = command.commands.find((each) => each.name() === word)
      if (next === undefined) given.push(word)
      else command = next
    }
  }
  return { command, pending, given, literal }
}

function splitFlag(word: string): readonly [flag: string, value: string | undefined] {
  const at = word.indexOf('=')
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ long, short }) => flag === long || flag === short)
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}

function optionsOf(command: Command): Candidate[] {
  const own = command.createHelp().visibleOptions(command)
  return own.flatMap(({ long, description }) => (long ? [{ value: long, description }] : []))
}

async function optionValue(
  option: Option,
  given: readonly string[],
  current: string,
  names: () => Promise<ProjectNames | undefined>,
): Promise<Completion> {
  if (option.argChoices !== undefined) return matching(current, choices(option.argChoices), false)
  const wanted = /[<[]([^>\]]+)/.exec(option.flags)?.[1] ?? ''
  if (option.long === '--request') {
    if (current.includes('=')) return NOTHING
    const inputs = (await names())?.requestOf(given[0] ?? '') ?? []
    return matching(current, inputs, true)
  }
  return await named(wanted, given, current, names)
}

/** What an argument or an option's value of this name can be. */
async function named(
  wanted: string,
  given: readonly string[],
  current: string,
  names: () => Promise<ProjectNames | undefined>,
): Promise<Completion> {
  if (PATHS.has(wanted)) return FILES
  switch (wanted) {
    case 'shell':
      return matching(current, choices(SHELLS), false)
    case 'service':
      return matching(current, (await names())?.services ?? [], false)
    case 'group':
    case 'groups': {
      const left = (await names())?.groups.filter(({ value }) => !given.includes(value)) ?? []
      return matching(current, left, false)
    }
    case 'keys': {
      if (current.includes('=')) return NOTHING
      const keys = (await names())?.keysOf(given[0] ?? '') ?? []
      const left = keys.filter(({ value }) => !given.some((each) => each.startsWith(value)))
      return matching(current, left, true)
    }
    case 'reference':
      return reference(current, await names())
    default:
      return NOTHING
  }
}

/** A group's features are offered once it is named, or the only one left: fifty thousand at once would help nobody. */
function reference(current: string, names: ProjectNames | undefined): Completion {
  if (names === undefined) return NOTHING
  const whole = [...names.services, ...names.groups, ...names.entities, ...names.sources]
  const groups = names.groups.filter(({ value }) => value.startsWith(current))
  const unfolded = current.includes(':') || (groups.length === 1 && current !== '')
  return matching(current, unfolded ? [...whole, ...names.features] : whole, false)
}

function choices(values: readonly string[]): Candidate[] {
  return values.map((value) => ({ value }))
}

function matching(current: string, candidates: readonly Candidate[], open: boolean): Completion {
  const found = new Map<string, Candidate>()
  for (const candidate of candidates)
    if (candidate.value.startsWith(current) && !found.has(candidate.value))
      found.set(candidate.value, candidate)
  return { candidates: [...found.values()].slice(0, CANDIDATES_MAX), files: false, open }
}

/** More than this nobody reads. */
const CANDIDATES_MAX = 500
