/** Files that appear whole or not at all. */
import { access, constants, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { errorCode, InputError, show } from '../errors.js'

/** What temporary names end in. */
export const TEMPORARY = '.tmp'
let count = 0

/** A name for a file that is not whole yet: nobody else's, whatever the machine, process or task. */
export function temporaryName(name: string): string {
  return `.${name}.${hostname()}.${process.pid}.${count++}${TEMPORARY}`
}

/**
 * Write a file under a temporary name beside it, then rename it: readers never see half of it. A symbolic link stays,
 * and what it points to is replaced.
 * @param data what is in it, or what writes it to the path that it is given
 * @throws InputError when the path is something else than a file, or cannot be written to
 */
export async function writeWhole(
  path: string,
  data: string | Uint8Array | ((temporary: string) => Promise<void>),
): Promise<void> {
  const file = await target(path)
  const temporary = join(dirname(file), temporaryName(basename(file)))
  try {
    if (typeof data === 'function') await data(temporary)
    else await writeFile(temporary, data)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw unwritable(path, error)
  }
}

/**
 * Check, before the work whose result it shall hold, that a file can be written.
 * @throws InputError as `writeWhole` would, as far as that can be told beforehand
 */
export async function checkWritable(path: string): Promise<void> {
  const file = await target(path)
  try {
    await access(dirname(file), constants.W_OK)
  } catch (error) {
    throw unwritable(path, error)
  }
}

/** The absolute path of the file that a path means, through symbolic links. */
async function target(path: string): Promise<string> {
  if (path === '') {
    throw new InputError('output file: must have a name, got ""; name a file')
  }
  try {
    const file = await realpath(path)
    // To rename a file over a device would put it in the device's place.
    if (!(await stat(file)).isFile()) {
      throw new InputError(
        `${path}: must be a file or a new name, got a folder or device; choose another place`,
      )
    }
    return file
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return resolve(path)
    throw error instanceof InputError ? error : unwritable(path, error)
  }
}

function unwritable(path: string, error: unknown): InputError {
  return new InputError(
    `${path}: must be a file that can be written in ${show(dirname(resolve(path)), 200)}, got ${systemReason(error)}; choose another place`,
  )
}

/** What the operating system says is wrong, without the call and the path: `ENOENT: no such file or directory`. */
export function systemReason(error: unknown): string {
  return error instanceof Error ? error.message.replace(/, .*/s, '') : String(error)
}
