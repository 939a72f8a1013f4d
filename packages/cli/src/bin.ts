#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import { commandPath, createProgram } from './program.ts'

/** A usage error exits like any other invalid input. */
const EXIT_USAGE = 2
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const { argv, env, stdout, stderr } = process
quietWarnings()
stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `asof table cat … | head` closes the pipe: that is no error.
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

const program = createProgram(async (json, work) => {
  const { EXIT_INTERRUPTED, reportError } = await import('./report-error.ts')
  const { openTerminal } = await import('./terminal.ts')
  const interrupt = new AbortController()
  const onInterrupt = (): void => {
    // Whoever asks twice does not want to wait.
    if (interrupt.signal.aborted) process.exit(EXIT_INTERRUPTED)
    interrupt.abort()
    if (!json) stderr.write('asof: stopping; again to stop at once\n')
  }
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onInterrupt)
  try {
    process.exitCode =
      (await work(openTerminal({ stdout, stderr, json, signal: interrupt.signal, env }))) ?? 0
  } catch (error) {
    const interrupted = interrupt.signal.aborted
    const report = reportError(error, { json, debug: (env['ASOF_DEBUG'] ?? '') !== '', interrupted })
    stderr.write(report.text)
    process.exitCode = report.exitCode
  } finally {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onInterrupt)
  }
}, version)

if (argv[2] === 'complete' && argv[3] === '--') {
  // Asked by a shell at each press of a key.
  const { completionLines } = await import('./commands/completion.ts')
  const lines = await completionLines(program, argv.slice(4))
  await new Promise((resolve) => stdout.write(`${lines}\n`, resolve))
  process.exit(0)
}

const asJson = argv.includes('--json')
for (const command of [
  program,
  ...program.commands,
  ...program.commands.flatMap(({ commands }) => commands),
]) {
  command.exitOverride().configureOutput({ outputError: () => undefined })
}
try {
  await program.parseAsync(argv)
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  if (error.exitCode !== 0) usageError(error.message.replace(/^error: /, ''))
}

function usageError(message: string): void {
  process.exitCode = EXIT_USAGE
  if (message === '(outputHelp)') return
  const text = asJson
    ? JSON.stringify(
        { error: { code: 'usage', kind: 'invalid', message, retryable: false, details: {} } },
        null,
        2,
      )
    : `asof: ${message.replaceAll('\n', ' ')}; see \`${asked()} --help\``
  stderr.write(`${text}\n`)
}

/** The command that was meant, as far as it can be told. */
function asked(): string {
  let found = program
  for (const word of argv.slice(2)) found = found.commands.find((command) => command.name() === word) ?? found
  return commandPath(found)
}

/** What Node says about its own features would only get between a command and its reader. */
function quietWarnings(): void {
  const emit = process.emitWarning.bind(process) as (...given: unknown[]) => void
  process.emitWarning = (...given: unknown[]) => {
    const [, options] = given
    const type = typeof options === 'string' ? options : (options as { type?: string } | undefined)?.type
    const code = given[2] ?? (options as { code?: string } | undefined)?.code
    if (type === 'ExperimentalWarning' || code === 'MODULE_TYPELESS_PACKAGE_JSON') return
    emit(...given)
  }
}
