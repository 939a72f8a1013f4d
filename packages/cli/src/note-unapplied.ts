import type { FeatureStore } from '@asof/core'
import { countOf } from './figures.ts'
import type { Terminal } from './terminal.ts'

/** Says on stderr, in one line, where what the project defines is not what is applied; nothing with `--json`. */
export async function noteUnapplied(terminal: Terminal, store: FeatureStore): Promise<void> {
  if (terminal.json || (await store.snapshot()).revision === undefined) return
  const changes = await store.unapplied()
  if (changes === 0) return
  const text = `definitions were changed and not applied: run \`asof apply\` (${countOf(changes, 'change')})`
  terminal.note(terminal.colours.yellow(text))
}
