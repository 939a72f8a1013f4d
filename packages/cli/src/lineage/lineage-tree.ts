import type { Lineage, LineageNode } from '@asof/core'
import type { Colours } from '../terminal.ts'
import { nodeTexts } from './lineage-layout.ts'

/**
 * A lineage as lines: each thing that was asked for, what it is made of below it, and what is made of it. What has come before
 * in the same tree is named, not unfolded again.
 */
export function lineageTree({ of, nodes, edges }: Lineage, colours: Colours): string {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const from = Map.groupBy(edges, (edge) => edge.to)
  const to = Map.groupBy(edges, (edge) => edge.from)
  const branches = [
    ['made of', (id: string) => (from.get(id) ?? []).map((edge) => edge.from)],
    ['read by', (id: string) => (to.get(id) ?? []).map((edge) => edge.to)],
  ] as const
  return of
    .map((root) => {
      const lines = [colours.bold(root)]
      const titled = branches.filter(([, next]) => next(root).length > 0)
      for (const [at, [title, next]] of titled.entries()) {
        const last = at === titled.length - 1
        lines.push(`${last ? '└─' : '├─'} ${colours.dim(title)}`)
        const seen = new Set([root])
        const walk = (id: string, indent: string): void => {
          const below = next(id)
          for (const [number, each] of below.entries()) {
            const end = number === below.length - 1
            const again = seen.has(each) && next(each).length > 0
            seen.add(each)
            const node = byId.get(each)
            lines.push(
              `${indent}${end ? '└─' : '├─'} ${node === undefined ? each : shownNode(node, colours)}${again ? colours.dim(' (above)') : ''}`,
            )
            if (!again) walk(each, `${indent}${end ? '   ' : '│  '}`)
          }
        }
        walk(root, last ? '   ' : '│  ')
      }
      return lines.join('\n')
    })
    .join('\n')
}

function shownNode(node: LineageNode, colours: Colours): string {
  const { name, of } = nodeTexts(node)
  const kind = node.kind === 'on_demand' ? 'on demand' : node.kind
  const shown = node.part === undefined ? name : `${of}:${name}`
  const whose = node.kind === 'model' ? node.team : node.owner
  return `${shown} ${colours.dim(whose === undefined ? kind : `${kind}, ${whose}`)}`
}
