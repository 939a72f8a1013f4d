import type { OpenApi } from './document.ts'
import { shownOperations, type ShownField, type ShownOperation } from './operations.ts'

/** The style of the page; it loads nothing from anywhere. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: light-dark(#555, #aaa); --code: light-dark(#f4f4f6, #24262b); --link: light-dark(#0550ae, #79b8ff) }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; background: light-dark(#fff, #17181c); color: light-dark(#1b1c1f, #e6e6e8) }
main, header { max-width: 60rem; margin: 0 auto; padding: 1.5rem }
a { color: var(--link) }
h1 { margin: 0 0 .5rem } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) } h3 { margin: 2.5rem 0 .25rem }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; background: var(--code); border-radius: 4px }
code { padding: .1em .3em } pre { padding: .75rem; overflow-x: auto } pre code { padding: 0 }
table { border-collapse: collapse; width: 100%; margin: .75rem 0 } td, th { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line) }
th { font-weight: 600; color: var(--soft) } .soft { color: var(--soft) } .method { font-weight: 700 } td:first-child { white-space: nowrap }
nav ul { list-style: none; padding: 0 } details { margin: .5rem 0 } summary { cursor: pointer }
`

/** The reference of the HTTP interface as a page of its own, made from its OpenAPI document. */
export function referencePage(document: OpenApi): string {
  const sections = shownOperations(document)
  const description = document.info.description.split('\n\n').map((text) => `<p>${marked(text)}</p>`)
  const links = sections.flatMap(({ operations }) =>
    operations.map(
      ({ id, method, path, summary }) =>
        `<li><a href="#${escaped(id)}"><code>${method} ${escaped(path)}</code></a> ${escaped(summary)}</li>`,
    ),
  )
  const parts = sections.map(
    (section) =>
      `<section><h2>${escaped(section.description)}</h2>${section.operations.map(operationHtml).join('')}</section>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(document.info.title)}</title><style>${PAGE_STYLE}</style></head>
<body><header><h1>${escaped(document.info.title)}</h1><p class="soft">Version ${escaped(document.info.version)} · <a href="/openapi.json">OpenAPI 3.1</a></p>
${description.join('\n')}<nav aria-label="Operations"><ul>${links.join('')}</ul></nav></header>
<main>${parts.join('\n')}</main></body></html>
`
}

function operationHtml(operation: ShownOperation): string {
  const { id, method, path, summary, description, scope, bodyTypes, statuses, curl } = operation
  const token =
    scope === '' ? 'Needs no token.' : `Needs a token that may ${scope}, where tokens are asked for.`
  return `<article id="${escaped(id)}"><h3>${escaped(summary)}</h3>
<p><code><span class="method">${method}</span> ${escaped(path)}</code></p>
<p>${marked(description)}</p><p class="soft">${token}</p>
<pre tabindex="0"><code>${escaped(curl)}</code></pre>
${table('Parameter', operation.parameters)}
${bodyTypes.length === 0 ? '' : `<p>Body: ${bodyTypes.map((type) => `<code>${escaped(type)}</code>`).join(', ')}</p>`}
${table('Body', operation.body)}${table('Answer', operation.answer)}
<p class="soft">Statuses: ${statuses.join(', ')}</p></article>`
}

function table(title: string, fields: readonly ShownField[]): string {
  if (fields.length === 0) return ''
  const rows = fields.map(
    ({ name, type, required, description }) =>
      `<tr><td><code>${escaped(name)}</code>${required ? ' <span class="soft">required</span>' : ''}</td><td>${escaped(type)}</td><td>${marked(description)}</td></tr>`,
  )
  return `<table><thead><tr><th scope="col">${title}</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table>`
}

/** Text with `code` in it. */
function marked(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
