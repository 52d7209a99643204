import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, InputError } from '../errors.js'
import { type Checkpoint, openCheckpoint } from './checkpoint.js'
import { openFileIfPresent, unreadable } from './node-file.js'

/**
 * Open the checkpoint in a folder on disk: config.json, weights in any format of `openCheckpoint`, tokenizer.json.
 *
 * @param name what the user called it.
 * @throws InputError when there is no such folder, or as `openCheckpoint` does.
 */
export async function openFolder(dir: string, name = dir): Promise<Checkpoint> {
  if (!(await isFolder(dir))) {
    throw new InputError(`${dir}: must be a folder with config.json and weights, got a file; check the path`)
  }
  return openCheckpoint(name, {
    name: dir,
    path: (file) => join(dir, file),
    open: (file) => openFileIfPresent(join(dir, file)),
  })
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new InputError(`${path}: the folder must exist, got no such folder; check the path`)
    }
    throw unreadable(path, error)
  }
}
