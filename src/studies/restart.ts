/** Begin a run folder anew without losing what is in it. */
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../checkpoints/make-folder.js'
import { errorCode, InputError } from '../errors.js'
import { PART_PREFIX } from '../results/rows.js'
import { isRunFile, RUN_FILE } from '../results/run-schema.js'
import { SET_ASIDE } from '../results/set-aside.js'

/** What is made of the results, and what was unfit to be some. */
const MADE = ['figures', 'tables', 'report.html', SET_ASIDE]

/**
 * Move all that is of a run into a folder of their own inside it, `before-TIME`.
 * @returns that folder; undefined when there was nothing to move
 * @throws InputError when they cannot be moved
 */
export async function setAside(dir: string, now = new Date()): Promise<string | undefined> {
  let files: string[]
  try {
    files = await readdir(dir)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new InputError(`${dir}: must be a run folder, got ${errorCode(error)}; check the path`)
  }
  const own = files.filter(
    (file) =>
      isRunFile(file) ||
      MADE.includes(file) ||
      Object.values(PART_PREFIX).some((prefix) => file.startsWith(prefix)),
  )
  if (own.length === 0) return undefined
  const old = join(dir, `before-${now.toISOString().replaceAll(':', '-')}`)
  await makeFolder(old)
  // run.json last: without it the parts that are left would have no owner.
  own.sort((a, b) => Number(a === RUN_FILE) - Number(b === RUN_FILE))
  for (const file of own) await rename(join(dir, file), join(old, file))
  return old
}
