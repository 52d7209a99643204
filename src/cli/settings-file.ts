import { readFile } from 'node:fs/promises'
import { InputError, show } from '../errors.js'
import { systemReason } from '../results/whole-file.js'

/**
 * The JSON of the file that `--config` names.
 * @throws InputError when it cannot be read or is no JSON
 */
export async function readSettingsFile(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new InputError(
      `--config: must be a file of JSON, got ${show(path)} (${systemReason(error)}); correct it`,
    )
  }
}
