import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { AsofError, invalid } from '@asof/core'

/** The name of a folder of one server: the process that writes in it, and what tells it from an earlier one. */
const OWNER = /^(\d{1,10})-[0-9a-f-]{36}$/

/** Folders of servers of this process. */
const ofThisProcess = new Set<string>()

/** Where bodies lie as files while they arrive, and until what is in them is in the log. */
export interface Incoming {
  /**
   * Writes a body to a file of its own, never more of it in memory than is on its way.
   *
   * @throws {AsofError} `payload_too_large` beyond `bytesMax`, `body_cut_off`, `disk_full`; nothing is left then
   */
  receive(body: Readable, bytesMax: number): Promise<{ readonly path: string; readonly bytes: number }>
  /** Removes a file that was received. */
  discard(path: string): Promise<void>
}

/**
 * A folder for incoming bodies, one of several servers that may share `folder`. What a server left behind that is no longer
 * alive is removed.
 */
export function incomingFolder(folder: string): Incoming {
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder)) {
    const owner = OWNER.exec(name)?.[1]
    if (owner !== undefined && !ofThisProcess.has(name) && !isAlive(Number(owner))) {
      rmSync(join(folder, name), { recursive: true, force: true })
    }
  }
  const name = `${process.pid}-${randomUUID()}`
  ofThisProcess.add(name)
  const own = join(folder, name)
  mkdirSync(own)
  return {
    async receive(body, bytesMax) {
      const path = join(own, `${randomUUID()}.part`)
      // A client may be gone before the file is open; reading says so.
      body.on('error', () => undefined)
      try {
        return { path, bytes: await write(path, body, bytesMax) }
      } catch (error) {
        await rm(path, { force: true })
        throw receivingError(error)
      }
    },
    async discard(path) {
      await rm(path, { force: true })
    },
  }
}

async function write(path: string, body: Readable, bytesMax: number): Promise<number> {
  await using file = await open(path, 'wx', 0o600)
  let bytes = 0
  // The request stays open when this ends early, so that it can be answered.
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) throw tooLarge(bytesMax)
    for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten
  }
  return bytes
}

/** The refusal of a body that is larger than it may be. */
export function tooLarge(bytesMax: number): AsofError {
  return invalid('payload_too_large', 'the batch is larger than this server takes; split it', { bytesMax })
}

const NO_ROOM: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS'])

function receivingError(error: unknown): unknown {
  if (error instanceof AsofError) return error
  const { code } = error as NodeJS.ErrnoException
  if (NO_ROOM.has(code)) {
    const text = 'the disk has no room for the batch and nothing has changed; make room, then retry'
    return new AsofError('unavailable', 'disk_full', text, {}, { cause: error })
  }
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') {
    return new AsofError('invalid', 'body_cut_off', 'the body ended too early', {}, { cause: error })
  }
  return error
}

/** Whether a process of this machine runs; our own number is one that an earlier process had. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
