import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode } from '../errors.js'

/**
 * Make a folder and those above it, unless they are there. (The `recursive` of Node 20's own `mkdir` never ends where a
 * folder is there but nothing can be made in it, below /proc for instance.)
 *
 * @throws the operating system's error when one cannot be made.
 */
export async function makeFolder(path: string): Promise<void> {
  if ((await made(path)) === undefined) return
  const above = dirname(path)
  if (above !== path && !(await isThere(above))) await makeFolder(above)
  // Also where somebody else has made the one above in the meantime.
  const error = await made(path)
  if (error !== undefined) throw error
}

/** Make one folder; returns the error when the one above is missing. */
async function made(path: string): Promise<unknown> {
  try {
    await mkdir(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return error
    const there = errorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()
    if (!there) throw error
  }
  return undefined
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch {
    return false
  }
}
