/** Where a model's tokenizer comes from when it is not its own folder. */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError, show } from '../errors.js'
import { embeddedModels } from './embedded.js'
import { type HubOptions, hubFile } from './hub.js'
import { TOKENIZER } from './hub-files.js'
import { isHubId } from './hub-id.js'
import { decodeText, parseJson } from './json.js'
import { openFile } from './node-file.js'

/**
 * Check the name of a tokenizer: an embedded model, a folder or a tokenizer.json, or the id of a model on the Hub.
 * @throws InputError when it is none of these
 */
export function checkTokenizerName(name: string): void {
  if (isHubId(name) || existsSync(name)) return
  throw new InputError(
    `--tokenizer: must be a folder, a tokenizer.json or a model's id on the Hub, got ${show(name)}; check the name or path`,
  )
}

/**
 * The tokenizer that a name means: parsed tokenizer.json.
 * @param options for a model on the Hub; the revision is of another model, and not heeded
 * @throws InputError when there is none, or it is not JSON
 */
export async function namedTokenizer(name: string, options: HubOptions): Promise<unknown> {
  const path = await tokenizerPath(name, { ...options, revision: undefined })
  const source = await openFile(path)
  try {
    return parseJson(decodeText(await source.read(0, source.size), path), path)
  } finally {
    await source.close()
  }
}

async function tokenizerPath(name: string, options: HubOptions): Promise<string> {
  const embedded = (await embeddedModels()).find((model) => model.name === name)
  if (embedded) return join(embedded.dir, TOKENIZER)
  if (!existsSync(name)) return hubFile(name, TOKENIZER, options)
  return (await stat(name)).isDirectory() ? join(name, TOKENIZER) : name
}
