import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { countOf } from '../figures.ts'
import { findProject, openProject, type ProjectOptions } from '../find-project.ts'
import { lineageSvg } from '../lineage/lineage-svg.ts'
import { lineageTree } from '../lineage/lineage-tree.ts'
import type { Terminal } from '../terminal.ts'

/** `asof lineage REF`: what something is made of, and what is made of it. */
export async function lineage(
  terminal: Terminal,
  options: ProjectOptions & { readonly up?: boolean; readonly down?: boolean; readonly svg?: string },
  reference: string,
): Promise<void> {
  await using store = await openProject(await findProject(options))
  const direction = options.up === true ? 'up' : options.down === true ? 'down' : 'both'
  const found = await store.lineage(reference, direction)
  if (options.svg === undefined) {
    terminal.answer(found, () => lineageTree(found, terminal.colours))
    return
  }
  const file = resolve(options.svg)
  await writeFile(file, lineageSvg(found))
  terminal.answer(
    { ...found, svg: file },
    () => `${countOf(found.nodes.length, 'node')} drawn in ${options.svg}`,
  )
}
