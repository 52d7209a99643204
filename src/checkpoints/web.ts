/** Open a checkpoint in a browser. */
import { InputError, show } from '../errors.js'
import { checkConfig } from '../models/registry.js'
import { type Checkpoint, type CheckpointFiles, openCheckpoint, withTokenizer } from './checkpoint.js'
import { TOKENIZER } from './hub-files.js'
import { type WebHubOptions, webHubModel, webHubText } from './hub-web.js'
import { parseJson } from './json.js'
import { isMambaSsm, MAMBA_SSM_TOKENIZER } from './mamba-ssm.js'
import { droppedFiles, embeddedFiles, type WebListener } from './web-folder.js'

/** Where a model comes from. */
export type WebModelSource =
  /** One on the page's own server: the folder `base`/`embedded`. A relative `base` is relative to the worker's URL. */
  | { readonly embedded: string; readonly base: string | URL }
  /** One on the Hub, by its id. */
  | ({ readonly hub: string } & Pick<WebHubOptions, 'revision' | 'token' | 'endpoint'>)
  /** Files that the user dropped or chose: one by one, or a folder. */
  | { readonly files: Iterable<File>; readonly name?: string }

export interface WebOpenOptions extends WebListener, Pick<WebHubOptions, 'onNote'> {}

/**
 * Open a checkpoint; it is downloaded unless the browser has it.
 * @throws InputError when it is not there or cannot be used; the signal's reason when aborted
 */
export async function openWebCheckpoint(source: WebModelSource & WebOpenOptions): Promise<Checkpoint> {
  if ('embedded' in source) {
    return openCheckpoint(source.embedded, embeddedFiles(source.embedded, source.base, source))
  }
  if ('hub' in source) {
    const { hub, ...options } = source
    const model = await webHubModel(hub, options, checkConfig)
    return withItsTokenizer(await openCheckpoint(hub, model), model.hasTokenizer, options)
  }
  if ('files' in source) {
    const { name = 'the chosen files' } = source
    const files = droppedFiles(source.files, name)
    return withItsTokenizer(await openCheckpoint(name, files), await hasTokenizer(files), source)
  }
  throw new InputError(
    `model: must be an embedded model, a model's id on the Hub, or files, got ${show(source)}; name one`,
  )
}

async function hasTokenizer(files: CheckpointFiles): Promise<boolean> {
  const source = await files.open(TOKENIZER)
  await source?.close()
  return source !== undefined
}

/** As in Node, checkpoints in `mamba_ssm`'s layout without a tokenizer have the one that they were trained with. */
function withItsTokenizer(
  checkpoint: Checkpoint,
  has: boolean,
  options: Pick<WebHubOptions, 'endpoint' | 'token' | 'onNote' | 'signal'>,
): Checkpoint {
  if (has || !isMambaSsm(checkpoint.config)) return checkpoint
  const { endpoint, token, onNote, signal } = options
  return withTokenizer(checkpoint, async () => {
    const text = await webHubText(MAMBA_SSM_TOKENIZER, TOKENIZER, { endpoint, token, onNote, signal })
    return parseJson(text, `${MAMBA_SSM_TOKENIZER}/${TOKENIZER}`)
  })
}
