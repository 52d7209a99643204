/** Which files of a repository a model needs. */
import { FORMATS } from './checkpoint.js'
import { isObject, parseJson } from './json.js'

export const CONFIG = 'config.json'
export const TOKENIZER = 'tokenizer.json'

/**
 * The weight files of a repository or a snapshot: of the formats that it holds whole, the first. Never both.
 *
 * @param has whether it holds a file
 * @param read the text of an index
 * @param path what messages call an index
 * @returns undefined when it holds none whole
 * @throws InputError when an index is not JSON
 */
export async function weightFiles(
  has: (file: string) => boolean | Promise<boolean>,
  read: (index: string) => Promise<string>,
  path: (index: string) => string,
): Promise<string[] | undefined> {
  for (const { single, index } of FORMATS) {
    if (await has(single)) return [single]
    if (!(await has(index))) continue
    const files = [index, ...shardsOf(await read(index), path(index))]
    const there = await Promise.all(files.map(has))
    if (files.length > 1 && there.every(Boolean)) return files
  }
  return undefined
}

/** The files that an index names. What it says of them is checked when the checkpoint is opened. */
function shardsOf(text: string, file: string): string[] {
  const index = parseJson(text, file)
  const weightMap = isObject(index) && isObject(index.weight_map) ? index.weight_map : {}
  // Plain names alone: nothing may reach outside its folder.
  return [...new Set(Object.values(weightMap))].filter(
    (shard): shard is string =>
      typeof shard === 'string' && /^[^/\\]+$/.test(shard) && !/^\.\.?$/.test(shard),
  )
}
