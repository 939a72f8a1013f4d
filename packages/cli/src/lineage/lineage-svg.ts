import type { LineageEdge, LineageNode } from '@asof/core'
import { layoutLineage, nodeTexts, SIZES, type PlacedEdge, type PlacedNode } from './lineage-layout.ts'

const MARGIN = 24
/** Height of the line with the columns' titles. */
const HEAD = 30
const NAME_SIZE = 12
const OF_SIZE = 10.2

/** Fill and line of a box by kind, on light and on dark ground. */
const COLOURS: Readonly<
  Record<LineageNode['kind'], readonly [light: string, line: string, dark: string, darkLine: string]>
> = {
  entity: ['#f1f3f5', '#868e96', '#2b3035', '#adb5bd'],
  source: ['#e7f0fd', '#3b78c9', '#16283f', '#7fb0f0'],
  request: ['#e3f6f5', '#1f8f8a', '#0f302f', '#63cfc9'],
  group: ['#e8f6ea', '#3c9a4b', '#15301a', '#7fd48c'],
  on_demand: ['#fdf3dc', '#b98312', '#36290b', '#f0c561'],
  service: ['#f3eafc', '#8a4fc7', '#2b1a3d', '#c79bf2'],
  model: ['#fdeaec', '#c7465a', '#3c171d', '#f29aa7'],
}

/**
 * A lineage as a picture: an SVG document, columns from sources to models. It follows the reader's light or dark colours, and
 * names that are cut are there in full when pointed at.
 *
 * @param of ids of the nodes that were asked for: they have a bold line
 */
export function lineageSvg(lineage: {
  readonly of: readonly string[]
  readonly nodes: readonly LineageNode[]
  readonly edges: readonly LineageEdge[]
}): string {
  const { width, height, columns, nodes, edges } = layoutLineage(lineage.nodes, lineage.edges)
  const asked = new Set(lineage.of)
  const [fullWidth, fullHeight] = [width + 2 * MARGIN, height + 2 * MARGIN + HEAD].map(Math.ceil) as [
    number,
    number,
  ]
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${fullWidth} ${fullHeight}" width="${fullWidth}" height="${fullHeight}" role="img">`,
    `<title>${escaped(`lineage of ${lineage.of.join(', ')}`)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="100%" height="100%"/>`,
    ...columns.map(({ title, left }, at) =>
      columns[at - 1]?.title === title
        ? ''
        : `<text class="head" x="${round(left + MARGIN)}" y="${MARGIN + 10}">${title}</text>`,
    ),
    `<g transform="translate(${MARGIN} ${MARGIN + HEAD})">`,
    ...edges.map((edge) => edgePath(edge)),
    ...nodes.map((node) => box(node, asked.has(node.node.id))),
    '</g>',
    '</svg>',
  ]
    .filter((line) => line !== '')
    .join('\n')}\n`
}

const STYLE = [
  'text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}',
  `.name{font-size:${NAME_SIZE}px;fill:#16191d}.of{font-size:${OF_SIZE}px;fill:#565e66}`,
  '.head{font-size:12px;font-weight:bold;fill:#565e66;letter-spacing:.06em}',
  '.ground{fill:#ffffff}.edge{fill:none;stroke:#98a1ab;stroke-width:1.2}',
  '.asked{stroke-width:2.6}',
  ...Object.entries(COLOURS).map(([kind, [fill, line]]) => `.${kind}{fill:${fill};stroke:${line}}`),
  '@media(prefers-color-scheme:dark){.ground{fill:#14171a}.name{fill:#f1f3f5}.of,.head{fill:#adb5bd}.edge{stroke:#5d6670}',
  ...Object.entries(COLOURS).map(([kind, [, , fill, line]]) => `.${kind}{fill:${fill};stroke:${line}}`),
  '}',
].join('')

function box({ node, x, y, width, height }: PlacedNode, asked: boolean): string {
  const { name, of } = nodeTexts(node)
  const room = (size: number): number =>
    Math.floor((width - 2 * SIZES.boxPadding) / (SIZES.characterWidth * (size / NAME_SIZE)))
  const text = (className: string, content: string, size: number, down: number): string =>
    `<text class="${className}" x="${round(x + SIZES.boxPadding)}" y="${round(y + down)}">${escaped(cut(content, room(size)))}</text>`
  const shape = `<rect class="${node.kind}${asked ? ' asked' : ''}" x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" rx="6"/>`
  const title = `<title>${escaped([node.id, node.owner && `owner ${node.owner}`].filter(Boolean).join('\n'))}</title>`
  return `<g>${title}${shape}${text('name', name, NAME_SIZE, 16)}${text('of', of, OF_SIZE, 30)}</g>`
}

/** Level inside of columns, bent between them. */
function edgePath({ points }: PlacedEdge): string {
  const [first, ...rest] = points
  if (first === undefined) return ''
  let path = `M${round(first.x)} ${round(first.y)}`
  let at = first
  for (const [index, point] of rest.entries()) {
    const middle = round((at.x + point.x) / 2)
    path +=
      index % 2 === 1 || at.y === point.y
        ? `L${round(point.x)} ${round(point.y)}`
        : `C${middle} ${round(at.y)} ${middle} ${round(point.y)} ${round(point.x)} ${round(point.y)}`
    at = point
  }
  return `<path class="edge" d="${path}"/>`
}

function cut(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(1, room - 1))}…`
}

/** What a document of XML cannot hold, however it is written. */
const NO_XML = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu

function escaped(text: string): string {
  return text
    .replaceAll(NO_XML, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
