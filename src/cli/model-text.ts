/** How a model reads text: its tokenizer and what its config says of prompts, without its weights. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { embeddedModels } from '../checkpoints/embedded.js'
import { type HubOptions, hubText } from '../checkpoints/hub.js'
import { CONFIG, TOKENIZER } from '../checkpoints/hub-files.js'
import { isHubId } from '../checkpoints/hub-id.js'
import { decodeText, isObject, parseConfig } from '../checkpoints/json.js'
import { isMambaSsm, MAMBA_SSM_TOKENIZER } from '../checkpoints/mamba-ssm.js'
import { checkTokenizerName, namedTokenizer } from '../checkpoints/tokenizer-source.js'
import type { PromptLimits } from '../datasets/prepare.js'
import { InputError, show } from '../errors.js'
import { checkConfig } from '../models/registry.js'
import { Tokenizer } from '../prompts/tokenizer.js'
import { systemReason } from '../results/whole-file.js'

export interface ModelText extends PromptLimits {
  /** What the user called the model, or its tokenizer where that is all. */
  readonly name: string
  readonly tokenizer: Tokenizer
}

export interface TextSource {
  /** An embedded model, a folder, or a model on the Hub; left out: the tokenizer alone. */
  readonly model?: string
  /** Take the tokenizer from elsewhere. */
  readonly tokenizer?: string
}

/**
 * @throws InputError when neither is named, there is no such model or tokenizer, it cannot be had, or is not one that
 *   factflow reads
 */
export async function modelText(source: TextSource, options: HubOptions): Promise<ModelText> {
  const { model, tokenizer } = source
  if (tokenizer !== undefined) checkTokenizerName(tokenizer)
  if (model === undefined) return { name: tokenizer!, tokenizer: await tokenizerOf(tokenizer!, options) }
  const folder = await folderOf(model, options)
  const configFile = join(folder, CONFIG)
  const config = parseConfig(decodeText(await contents(configFile), configFile), configFile)
  if (!isObject(config)) {
    throw new InputError(`${configFile}: must be a JSON object, got ${show(config)}; correct it`)
  }
  const { maxTokens, vocabSize } = checkConfig({ config, configFile })
  const borrows = !existsSync(join(folder, TOKENIZER)) && isMambaSsm(config)
  const from = tokenizer ?? (borrows ? MAMBA_SSM_TOKENIZER : folder)
  return { name: model, tokenizer: await tokenizerOf(from, options), maxTokens, vocabSize }
}

/** The folder with a model's config.json and, where it has one, tokenizer.json. */
async function folderOf(name: string, options: HubOptions): Promise<string> {
  const known = await embeddedModels()
  const folder = known.find((model) => model.name === name)?.dir ?? (existsSync(name) ? name : undefined)
  if (folder === undefined && isHubId(name)) return (await hubText(name, options)).folder
  if (folder === undefined) {
    throw new InputError(
      `--model: must be an embedded model (${known.map((model) => model.name).join(', ')}), a folder, or a model's id on the Hub, got ${show(name)}; check the name or path`,
    )
  }
  if (options.revision === undefined) return folder
  throw new InputError(
    `--revision: must not be given with a folder or an embedded model, got ${show(options.revision)} for ${show(name)}; leave it out`,
  )
}

async function tokenizerOf(name: string, options: HubOptions): Promise<Tokenizer> {
  return Tokenizer.fromJson(await namedTokenizer(name, options), name)
}

async function contents(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (error) {
    throw new InputError(
      `${file}: the model's configuration must be there, got ${systemReason(error)}; check the folder`,
    )
  }
}
