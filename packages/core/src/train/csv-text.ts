/**
 * Lines of a CSV text as fields: comma, `"` doubled inside quotes, lines ended by LF or CRLF. Nothing between commas is
 * undefined, `""` is the empty text.
 */
export function readCsv(text: string): (string | undefined)[][] {
  const lines: (string | undefined)[][] = []
  let line: (string | undefined)[] = []
  let at = 0
  while (at < text.length) {
    let field: string | undefined
    if (text[at] === '"') {
      field = ''
      for (;;) {
        const quote = text.indexOf('"', at + 1)
        const end = quote < 0 ? text.length : quote
        field += text.slice(at + 1, end)
        at = end + 1
        if (text[at] !== '"') break
        field += '"'
      }
    } else {
      const start = at
      while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++
      field = at === start ? undefined : text.slice(start, at)
    }
    line.push(field)
    if (text[at] === ',') {
      at++
      // A comma at the very end still has a field after it.
      if (at === text.length) line.push(undefined)
      continue
    }
    if (text[at] === '\r') at++
    if (text[at] === '\n') at++
    lines.push(line)
    line = []
  }
  if (line.length > 0) lines.push(line)
  return lines
}
