/** Files that appear whole or not at all. */
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import process from 'node:process'
import { InputError } from '../errors.js'

/**
 * Write a file under a temporary name beside it, then rename it: readers never see half of it.
 * @throws InputError when the folder does not exist or cannot be written to
 */
export async function writeWhole(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${resolve(path)}.${process.pid}.part`
  try {
    await writeFile(temporary, data)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    const reason = error instanceof Error ? error.message : String(error)
    throw new InputError(
      `${path}: must be a file that can be written in ${dirname(resolve(path))}, got ${reason}; choose another place`,
    )
  }
}
