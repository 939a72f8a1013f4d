// What a process of this machine listens on, as the kernel tells.
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

const LISTEN = '0A'

/** The addresses on which a process listens, as `address:port`; undefined where the kernel does not tell. */
export async function listeningOf(pid: number): Promise<string[] | undefined> {
  const folder = `/proc/${pid}/fd`
  const open = await readdir(folder).catch(() => undefined)
  if (open === undefined) return undefined
  const links = await Promise.all(
    open.map(async (name) => await readlink(join(folder, name)).catch(() => '')),
  )
  const own = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))
  const found: string[] = []
  for (const table of ['tcp', 'tcp6']) {
    const text = await readFile(`/proc/${pid}/net/${table}`, 'utf8').catch(() => '')
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
      if (state === LISTEN && own.has(inode)) found.push(addressOf(local))
    }
  }
  return found
}

/** `0100007F:21FC` and its like: words of four bytes, each in the order of the machine. */
function addressOf(local: string): string {
  const [words = '', port = ''] = local.split(':')
  const bytes = [...words.matchAll(/.{8}/g)].flatMap(([word]) =>
    [...word.matchAll(/../g)].map(String).reverse(),
  )
  const numbers = bytes.map((byte) => Number.parseInt(byte, 16))
  const address = numbers.length === 4 ? numbers.join('.') : `[${bytes.join('').toLowerCase()}]`
  return `${address}:${Number.parseInt(port, 16)}`
}
