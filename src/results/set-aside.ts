/** Files of a run folder that cannot be used are moved into a folder of their own inside it: none is deleted. */
import { randomBytes } from 'node:crypto'
import { link, rename, rm } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { makeFolder } from '../checkpoints/make-folder.js'
import { errorCode } from '../errors.js'
import { syncFolder } from './whole-file.js'

/** The folder inside the run folder. */
export const SET_ASIDE = 'set-aside'

/**
 * Move a file aside, under a name that no other has.
 * @param isGood looks at the file once more where it lies now: another process may have replaced it in the meantime
 * @returns where it is now, in the run folder; undefined when it was gone, or good after all and put back
 */
export async function moveAside(
  dir: string,
  file: string,
  isGood: (path: string) => Promise<boolean>,
): Promise<string | undefined> {
  const { name, ext } = parse(file)
  const place = join(SET_ASIDE, `${name}.${randomBytes(4).toString('hex')}${ext}`)
  const [from, to] = [join(dir, file), join(dir, place)]
  await makeFolder(join(dir, SET_ASIDE))
  try {
    await rename(from, to)
  } catch (error) {
    // Another process was faster.
    if (isGone(error)) return undefined
    throw error
  }
  const good = await isGood(to)
  if (good) await putBack(to, from)
  await syncFolder(join(dir, SET_ASIDE))
  await syncFolder(dir)
  return good ? undefined : place
}

/** Give a file its name again, unless another has it by now: then that one counts. */
async function putBack(file: string, back: string): Promise<void> {
  try {
    await link(file, back)
  } catch (error) {
    // Where there are no hard links.
    if (errorCode(error) !== 'EEXIST') await rename(file, back)
    return
  }
  await rm(file)
}

/** Whether an error says that a file is not there any more, on a network disk too. */
export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESTALE'].includes(errorCode(error))
}
