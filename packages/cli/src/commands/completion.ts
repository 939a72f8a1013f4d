import { script } from '@bomb.sh/tab'
import type { Command } from 'commander'
import { BASH_SCRIPT } from '../completion/bash-script.ts'
import { invalid } from '@asof/core'
import { completeWords, SHELLS } from '../completion/complete-words.ts'
import { projectNames } from '../completion/project-names.ts'
import type { Terminal } from '../terminal.ts'

/** `asof complete SHELL`: prints the script that makes a shell complete. */
export async function complete(terminal: Terminal, _options: object, shell: string): Promise<void> {
  const text = scriptOf(shell)
  terminal.answer({ shell, script: text }, () => text.trimEnd())
}

function scriptOf(shell: string): string {
  if (shell === 'bash') return BASH_SCRIPT
  if (shell === 'zsh' || shell === 'fish') return printedScript(shell)
  throw invalid('unknown_shell', `there is completion for ${SHELLS.join(', ')}`, { shell })
}

/** The library prints its script instead of answering it. */
function printedScript(shell: 'zsh' | 'fish'): string {
  const lines: string[] = []
  const { log } = console
  console.log = (text: string) => void lines.push(text)
  try {
    script(shell, 'asof', 'asof')
  } finally {
    console.log = log
  }
  return lines.join('\n')
}

/** After the last candidate a line tells the shell what else to do, in the way of cobra, which the scripts follow. */
const NO_SPACE = 2
const NO_FILES = 4
/** What would end a line, move the cursor or turn the text around. */
const NO_LINE = /[\s\p{C}]+/gu

/**
 * `asof complete -- WORDS`, which the scripts call: a line for each candidate, its description after a tab; then `:` and what
 * else the shell should do. Nothing is ever said about what fails: whoever presses a key does not want to read of it.
 *
 * @param words those after `asof`, the last of them being written
 */
export async function completionLines(program: Command, words: readonly string[]): Promise<string> {
  try {
    const names = async (): ReturnType<typeof projectNames> =>
      await projectNames(words).catch(() => undefined)
    const { candidates, files, open } = await completeWords(program, words.length === 0 ? [''] : words, names)
    const lines = candidates.map(
      ({ value, description = '' }) => `${value}\t${description.replaceAll(NO_LINE, ' ')}`,
    )
    return [...lines, `:${(open ? NO_SPACE : 0) + (files ? 0 : NO_FILES)}`].join('\n')
  } catch {
    return `:${NO_FILES}`
  }
}
