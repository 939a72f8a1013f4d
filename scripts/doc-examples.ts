// The examples of doc comments: found in the sources, and made into modules that import what they use by name.
import { globSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename, dirname, join, relative, sep } from 'node:path'

const REPOSITORY = join(import.meta.dirname, '..')
const FOLDERS = globSync('{packages,adapters}/*/package.json', { cwd: REPOSITORY }).map(dirname).sort()
/** Names of the packages; that which users import comes first. */
const PACKAGES = ['asof', ...FOLDERS.map(packageIn).filter((name) => name !== 'asof')]

const KEYWORD = /\b(?:export|async|function|class|const|interface|type|get|static|readonly) +(?=\w)/g

/** One block of TypeScript in a doc comment. */
export interface DocExample {
  /** Absolute path of its source. */
  readonly file: string
  /** Line of its `@example`. */
  readonly line: number
  /** What the doc comment is about. */
  readonly symbol: string
  readonly text: string
}

/** An example as a module. */
export interface ExampleModule {
  /** Name of its file, which says where the example is from. */
  readonly name: string
  readonly text: string
  /** How many results it compares. */
  readonly results: number
}

/** Every source that a doc comment with an example may be in. */
export function exampleSources(): string[] {
  return FOLDERS.flatMap(sourcesIn)
}

/** The examples of a source. @throws {Error} for an `@example` without a block of `ts` */
export function docExamples(file: string): DocExample[] {
  const source = readFileSync(file, 'utf8')
  const examples: DocExample[] = []
  for (const { 0: found, index } of source.matchAll(/^ *\* @example[\s\S]*?\*\/\s*\n.*$/gm)) {
    const line = source.slice(0, index).split('\n').length
    const lines = found.split('\n')
    const declaration = lines.at(-1)!.replaceAll(KEYWORD, '')
    const symbol = /\w+/.exec(declaration)?.[0] ?? ''
    const text = lines.map((each) => each.replace(/^ *\* ?/, '')).join('\n')
    const blocks = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((block) => block[1]!)
    if (blocks.length !== text.match(/^@example/gm)?.length)
      throw new Error(`${place({ file, line })}: an example is one block of ts`)
    examples.push(...blocks.map((block) => ({ file, line, symbol, text: block })))
  }
  return examples
}

/** Where an example is, for people. */
export function place({ file, line }: Pick<DocExample, 'file' | 'line'>): string {
  return `${relative(REPOSITORY, file)}:${line}`
}

/**
 * Makes a module of an example. A comment behind a statement, or on the line after it, says its result:
 *
 * - `// throws: code`: the statement is refused with an error of this code;
 * - `// 12.5`, `// ['LAX', 7n]`: text that is a number, string, list, object, bool, null or undefined in JavaScript is equal to
 *   the value of the expression, or of what was declared; `// 12.5, or null` is not JavaScript, and prose;
 * - other comments are prose.
 *
 * @throws {Error} for text that is no TypeScript
 */
export async function exampleModule(
  example: DocExample,
  fixtures: readonly string[],
): Promise<ExampleModule> {
  const statements = statementsOf(example)
  const body = statements.map(checked)
  const own = new Set(example.text.match(/(?<=\b(?:const|let|using|function|class) +)\w+/g))
  for (const [, names] of example.text.matchAll(/\b(?:import|import type|const|let) *([{[][^}\]]*[}\]])/g)) {
    for (const name of names!.match(/\w+/g) ?? []) own.add(name)
  }
  const words = new Set(code(example.text).match(/(?<![\w$]|(?<!\.)\.)[A-Za-z]\w*/g))
  const imports = await importsOf(
    example.file,
    [...words].filter((word) => !own.has(word)),
    fixtures,
  )
  const header = `// ${place(example)}\nimport $assert from 'node:assert/strict'\n${imports.join('\n')}\n`
  const name = place(example).replaceAll(/\W+/g, '.').replace(/^\./, '')
  return {
    name: `${name}.ts`,
    text: `${header}\n${body.map(({ text }) => text).join('\n')}\nexport {}\n`,
    results: body.filter(({ compares }) => compares).length,
  }
}

interface Statement {
  readonly code: string
  readonly comment: string | undefined
}

/** The fewest lines that parse are a statement, unless the next line goes on with it: as JavaScript has it. */
function statementsOf(example: DocExample): Statement[] {
  const statements: Statement[] = []
  const lines = example.text.trimEnd().split('\n')
  let open: string[] = []
  for (const [index, line] of lines.entries()) {
    const remark = /^\/\/ (.*)$/.exec(line)?.[1]
    const last = statements.at(-1)
    if (open.length === 0 && remark !== undefined && last !== undefined && last.comment === undefined) {
      statements[statements.length - 1] = { ...last, comment: remark }
    }
    if (open.length === 0 && (remark !== undefined || line.trim() === '')) continue
    open.push(line)
    if (!parses(open.join('\n')) || /^\s*[.(`[]/.test(lines[index + 1] ?? '')) continue
    statements.push(split(open))
    open = []
  }
  if (open.length > 0) throw new Error(`${place(example)}: this does not parse: ${open.join('\n')}`)
  return statements
}

/** Takes the comment off the last line: behind the first `//` before which the statement is whole. */
function split(lines: readonly string[]): Statement {
  const before = lines.slice(0, -1)
  const last = lines.at(-1)!
  for (const { index } of last.matchAll(/ +\/\/ /g)) {
    const whole = [...before, last.slice(0, index)].join('\n')
    if (parses(whole)) return { code: whole, comment: last.slice(index).replace(/^ +\/\/ /, '') }
  }
  return { code: lines.join('\n'), comment: undefined }
}

function checked({ code: text, comment = '' }: Statement): {
  readonly text: string
  readonly compares: boolean
} {
  const refused = /^throws: (\w+)$/.exec(comment)?.[1]
  if (refused !== undefined) {
    return {
      text: `await $assert.rejects(async () => {\n${text}\n}, { code: '${refused}' })`,
      compares: true,
    }
  }
  const isValue = /^(?:['"\d[{-]|(?:true|false|null|undefined|NaN)$)/.test(comment) && parses(`(${comment})`)
  if (!isValue) return { text, compares: false }
  const declared = /^(?:const|let)\s+(\w+)/.exec(text)?.[1]
  const value = declared ?? `(${text})`
  const compared = `$assert.deepEqual<unknown>(${value}, ${comment})`
  return { text: declared === undefined ? compared : `${text}\n${compared}`, compares: true }
}

/** Whatever is exported by the example's package, inside it, by the fixtures or by another package: in this order. */
async function importsOf(
  file: string,
  words: readonly string[],
  fixtures: readonly string[],
): Promise<string[]> {
  const home = FOLDERS.find((folder) => file.startsWith(join(REPOSITORY, folder, 'src')))
  const mine = home === undefined ? [] : [packageIn(home)]
  const inside = insideExports(home === undefined ? [file] : sourcesIn(home))
  // Of types nothing is left when a package runs.
  const types = insideExports(sourcesIn('packages/core'))
  const names = new Map<string, Set<string>>()
  for (const name of new Set([...mine, ...PACKAGES])) {
    names.set(name, new Set(Object.keys((await import(name)) as object)))
  }
  return words.flatMap((word) => {
    const own = mine.find((name) => names.get(name)!.has(word))
    if (own !== undefined) return [`import { ${word} } from '${own}'`]
    if (inside.has(word)) return [inside.get(word)!]
    if (fixtures.includes(word)) return [`import { ${word} } from './features.ts'`]
    const other = PACKAGES.find((name) => names.get(name)!.has(word))
    if (other !== undefined) return [`import { ${word} } from '${other}'`]
    return types.get(word)?.startsWith('import { type ') === true
      ? [`import { type ${word} } from 'asof'`]
      : []
  })
}

/** An import of each thing that these sources export, by its name. */
function insideExports(files: readonly string[]): Map<string, string> {
  const imports = new Map<string, string>()
  for (const file of files) {
    // The modules lie two folders below the repository.
    const from = `../../${relative(REPOSITORY, file).split(sep).join('/')}`
    const exported = /^export (?:declare )?(?:async )?(function|class|const|interface|type) (\w+)/gm
    for (const [, what, name] of readFileSync(file, 'utf8').matchAll(exported)) {
      const type = what === 'interface' || what === 'type' ? 'type ' : ''
      imports.set(name!, `import { ${type}${name} } from '${from}'`)
    }
  }
  return imports
}

/** Without strings and comments; what a template holds in `${}` is dropped too. */
function code(text: string): string {
  return text.replaceAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\/\/ .*$/gm, ' ')
}

function parses(text: string): boolean {
  try {
    stripTypeScriptTypes(text)
    return true
  } catch {
    return false
  }
}

function packageIn(folder: string): string {
  return folder === 'packages/cli' ? 'asof' : `@asof/${basename(folder)}`
}

/** A package's sources without its tests, as absolute paths. */
function sourcesIn(folder: string): string[] {
  return globSync(`${folder}/src/**/*.ts`, { cwd: REPOSITORY })
    .filter((file) => !/\.test(-d)?\.ts$/.test(file))
    .sort()
    .map((file) => join(REPOSITORY, file))
}
