/** A member of an interface, or a property of a constant object, as its source declares it. */
export interface DeclaredMember {
  readonly name: string
  readonly isOptional: boolean
  /** The type of an interface's member, the value of an object's. */
  readonly declared: string
  /** Its doc comment in one line; empty where it has none. */
  readonly says: string
}

const MEMBER =
  /^ {2}(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n {2})?(?:readonly )?(\w+)(\??)(?:: |(?=\())((?:(?!\n {2}(?:\/\*\*|\w))[\s\S])+)/gm

/**
 * The members of `interface NAME` or `const NAME = {…}`, in order.
 *
 * @throws Error where there is no such declaration
 */
export function declaredMembers(source: string, name: string): DeclaredMember[] {
  const declaration = new RegExp(`^export (?:interface|const) ${name}\\b[^\\n]*\\{\\n([\\s\\S]*?)\\n\\}`, 'm')
  const body = declaration.exec(source)?.[1]
  if (body === undefined) throw new Error(`${name} is not declared where it is looked for`)
  return [...body.matchAll(MEMBER)].map(([, doc = '', member = '', optional, declared = '']) => ({
    name: member,
    isOptional: optional === '?',
    declared: declared.trim().replace(/,$/, ''),
    says: doc
      .replaceAll(/\s*\n\s*\*?\s*/g, ' ')
      .replace(/\s*@\w+[\s\S]*/, '')
      .trim(),
  }))
}
