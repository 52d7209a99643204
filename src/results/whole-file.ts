/** Files that appear whole or not at all. */
import { access, constants, link, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { errorCode, InputError, show } from '../errors.js'
import { temporaryName } from './leftovers.js'

/**
 * Write a file under a temporary name beside it, then rename it: readers never see half of it, and neither does who
 * looks after a power cut. A symbolic link stays, and what it points to is replaced.
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
    await putInPlace(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw unwritable(path, error)
  }
}

/**
 * Write a file that must not be there yet, whole. Of two processes that do this at once one fails, on network disks too;
 * where there are no hard links the last one wins.
 * @returns whether it was not there
 * @throws InputError as `writeWhole` does
 */
export async function createWhole(path: string, text: string): Promise<boolean> {
  const temporary = join(dirname(path), temporaryName('new.json'))
  try {
    await writeFile(temporary, text)
    await syncFile(temporary)
    await link(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    // Where there are no hard links, or no room: the other way says which.
    await writeWhole(path, text)
  } finally {
    await rm(temporary, { force: true })
  }
  return true
}

/** Give a file that is whole its name: on disk before it has it, and with it before we go on. */
export async function putInPlace(temporary: string, file: string): Promise<void> {
  await syncFile(temporary)
  await rename(temporary, file)
  await syncFolder(dirname(file))
}

/** Wait until what a file holds is on disk. Network disks say only now, or when it is closed, that there is no room. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What file systems and systems answer that cannot sync a folder: theirs is as good as it gets. */
const CANNOT_SYNC = ['EINVAL', 'EPERM', 'EACCES', 'EISDIR', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

/** Wait until the names in a folder are on disk, where its file system can. */
export async function syncFolder(dir: string): Promise<void> {
  try {
    const handle = await open(dir, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!CANNOT_SYNC.includes(errorCode(error))) throw error
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
  const cure = isFull(error) ? 'make room, or choose another place' : 'choose another place'
  return new InputError(
    `${path}: must be a file that can be written in ${show(dirname(resolve(path)), 200)}, got ${systemReason(error)}; ${cure}`,
    { cause: error },
  )
}

/** Whether an error says that the disk, or the part of it that is ours, is full. */
export function isFull(error: unknown): boolean {
  return /ENOSPC|EDQUOT|EFBIG|no space left|quota exceeded|file too large/i.test(String(error))
}

/** What the operating system says is wrong, without the call and the path: `ENOENT: no such file or directory`. */
export function systemReason(error: unknown): string {
  return error instanceof Error ? error.message.replace(/, .*/s, '') : String(error)
}
