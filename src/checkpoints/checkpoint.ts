/** A model as Hugging Face lays it out: config.json, weights in safetensors or PyTorch files, tokenizer.json. */
import { InputError, show } from '../errors.js'
import { decodeText, isObject, parseConfig, parseJson } from './json.js'
import { openSafetensors } from './safetensors.js'
import type { ByteSource } from './source.js'
import type { TensorFile } from './tensor-file.js'
import { openTorch } from './torch.js'

/** An open checkpoint. Tensors are read one by one, when they are asked for: a file is never read whole. */
export interface Checkpoint {
  /** What the user called it. */
  readonly name: string
  /** config.json; Python's infinities are numbers. */
  readonly config: Readonly<Record<string, unknown>>
  /** The path of config.json, for messages. */
  readonly configFile: string
  /** Total size of the weight files in bytes. */
  readonly bytes: number
  /** Paths of the weight files. */
  readonly weightFiles: readonly string[]
  /** Names of all tensors. */
  names(): readonly string[]
  has(tensor: string): boolean
  /** @throws InputError when the checkpoint lacks the tensor. */
  shape(tensor: string): readonly number[]
  /**
   * A tensor as float32, row-major.
   *
   * @param shape what the architecture expects.
   * @param into memory for its values, to be used in place of new memory where that is possible.
   * @throws InputError when the checkpoint lacks the tensor, or holds it in another shape or an unsupported dtype.
   */
  tensor(tensor: string, shape: readonly number[], into?: Float32Array): Promise<Float32Array>
  /**
   * Rows `first` to `first + count - 1` of a tensor (embeddings, a block of the head), without reading the others.
   *
   * @param shape that of the whole tensor. `into` and errors as for `tensor`.
   */
  rows(
    tensor: string,
    shape: readonly number[],
    first: number,
    count: number,
    into?: Float32Array,
  ): Promise<Float32Array>
  /** tokenizer.json, parsed. @throws InputError when it is missing or broken. */
  tokenizerJson(): Promise<unknown>
  close(): Promise<void>
}

/** A view of `checkpoint` that differs in `changes`; nothing is read or copied. Closing the view closes it. */
export function viewOf(checkpoint: Checkpoint, changes: Partial<Checkpoint>): Checkpoint {
  return {
    name: checkpoint.name,
    config: checkpoint.config,
    configFile: checkpoint.configFile,
    bytes: checkpoint.bytes,
    weightFiles: checkpoint.weightFiles,
    names: () => checkpoint.names(),
    has: (name) => checkpoint.has(name),
    shape: (name) => checkpoint.shape(name),
    tensor: (name, shape, into) => checkpoint.tensor(name, shape, into),
    rows: (name, shape, first, count, into) => checkpoint.rows(name, shape, first, count, into),
    tokenizerJson: () => checkpoint.tokenizerJson(),
    close: () => checkpoint.close(),
    ...changes,
  }
}

/** The checkpoint with another tokenizer, which is read when it is asked for. Closing this closes it. */
export function withTokenizer(checkpoint: Checkpoint, tokenizerJson: () => Promise<unknown>): Checkpoint {
  return viewOf(checkpoint, { tokenizerJson })
}

/** Where the files of a checkpoint lie: a folder, a repository on a server. */
export interface CheckpointFiles {
  /** What messages call the place. */
  readonly name: string
  /** What messages call one of its files. */
  path(file: string): string
  /** Undefined when there is no such file. */
  open(file: string): Promise<ByteSource | undefined>
}

const CONFIG = 'config.json'
const TOKENIZER = 'tokenizer.json'

/** A way to store weights: all in one file, or in shards that an index lists. */
interface WeightFormat {
  readonly single: string
  readonly index: string
  /** What the names of shards end in. */
  readonly extension: string
  open(source: ByteSource): Promise<TensorFile>
}

/** What is looked for first comes first, as in transformers (modeling_utils.py). */
export const FORMATS: readonly WeightFormat[] = [
  {
    single: 'model.safetensors',
    index: 'model.safetensors.index.json',
    extension: '.safetensors',
    open: openSafetensors,
  },
  {
    single: 'pytorch_model.bin',
    index: 'pytorch_model.bin.index.json',
    extension: '.bin',
    open: openTorch,
  },
]

/** No JSON file of a model comes near this; a JavaScript string could not hold much more. */
const MAX_JSON_BYTES = 2 ** 28

/**
 * Open a checkpoint: reads its config and the headers of its weight files.
 *
 * As transformers does, `model.safetensors` goes before `model.safetensors.index.json`, and both before
 * `pytorch_model.bin` and its index; and where shards hold more than the index says, the index counts.
 *
 * @param name what the user called it.
 * @throws InputError when a file is missing or broken, or the index and the shards disagree.
 */
export async function openCheckpoint(name: string, files: CheckpointFiles): Promise<Checkpoint> {
  const configFile = files.path(CONFIG)
  const text = await readText(files, CONFIG)
  if (text === undefined) {
    throw new InputError(`${configFile}: the model's configuration must exist, got no such file; download it`)
  }
  const config = parseConfig(text, configFile)
  if (!isObject(config))
    throw new InputError(`${configFile}: must be a JSON object, got ${show(config)}; correct it`)
  const weights = await openWeights(files)
  return new OpenCheckpoint(name, config, configFile, files, weights)
}

/** The weight files, and the one that holds each tensor. */
interface Weights {
  readonly shards: readonly TensorFile[]
  readonly tensors: ReadonlyMap<string, TensorFile>
}

async function openWeights(files: CheckpointFiles): Promise<Weights> {
  for (const format of FORMATS) {
    const single = await files.open(format.single)
    if (single) {
      const shard = await format.open(single)
      return { shards: [shard], tensors: new Map(shard.names().map((tensor) => [tensor, shard])) }
    }
    const text = await readText(files, format.index)
    if (text !== undefined) return openShards(text, format, files)
  }
  const names = FORMATS.map(({ single, index }) => `${single} or ${index}`).join(', or ')
  throw new InputError(
    `${files.name}: weights must be ${names}, got none of them; download one, or check the folder`,
  )
}

async function openShards(text: string, format: WeightFormat, files: CheckpointFiles): Promise<Weights> {
  const weightMap = parseIndex(text, format, files.path(format.index))
  const shards = new Map<string, TensorFile>()
  try {
    for (const file of new Set(weightMap.values())) {
      shards.set(file, await openShard(file, weightMap, format, files))
    }
  } catch (error) {
    for (const shard of shards.values()) await shard.close()
    throw error
  }
  const tensors = new Map([...weightMap].map(([tensor, file]) => [tensor, shards.get(file)!]))
  return { shards: [...shards.values()], tensors }
}

/** Which shard holds each tensor, as the index says. */
function parseIndex(text: string, { extension }: WeightFormat, file: string): ReadonlyMap<string, string> {
  const index = parseJson(text, file)
  const weightMap = isObject(index) ? index.weight_map : undefined
  if (!isObject(weightMap)) {
    throw new InputError(`${file}: weight_map must be an object, got ${show(weightMap)}; download it again`)
  }
  const entries = Object.entries(weightMap).map(([tensor, shard]): [string, string] => {
    // A plain name: what was downloaded must not reach outside its own folder.
    if (typeof shard !== 'string' || /[/\\]/.test(shard) || !shard.endsWith(extension)) {
      const rule = `weight_map must give a ${extension} file of the same folder for ${show(tensor)}`
      throw new InputError(`${file}: ${rule}, got ${show(shard)}; download it again`)
    }
    return [tensor, shard]
  })
  return new Map(entries)
}

async function openShard(
  file: string,
  weightMap: ReadonlyMap<string, string>,
  format: WeightFormat,
  files: CheckpointFiles,
): Promise<TensorFile> {
  const index = files.path(format.index)
  const source = await files.open(file)
  if (!source) {
    const rule = `the weight file must exist, as ${index} names it`
    throw new InputError(`${files.path(file)}: ${rule}, got no such file; download it`)
  }
  const shard = await format.open(source)
  for (const [tensor, place] of weightMap) {
    if (place === file && !shard.has(tensor)) {
      await shard.close()
      const rule = `must hold the tensor ${show(tensor)}, as ${index} says`
      throw new InputError(`${shard.name}: ${rule}, got a file without it; download both again`)
    }
  }
  return shard
}

/** A whole text file, or undefined when there is none. */
async function readText(files: CheckpointFiles, file: string): Promise<string | undefined> {
  const source = await files.open(file)
  if (!source) return undefined
  try {
    if (source.size > MAX_JSON_BYTES) {
      const rule = `must be JSON of at most ${MAX_JSON_BYTES} bytes`
      throw new InputError(`${source.name}: ${rule}, got ${source.size}; check that it is the right file`)
    }
    return decodeText(await source.read(0, source.size), source.name)
  } finally {
    await source.close()
  }
}

class OpenCheckpoint implements Checkpoint {
  readonly #files: CheckpointFiles
  readonly #weights: Weights

  constructor(
    readonly name: string,
    readonly config: Readonly<Record<string, unknown>>,
    readonly configFile: string,
    files: CheckpointFiles,
    weights: Weights,
  ) {
    this.#files = files
    this.#weights = weights
  }

  get bytes(): number {
    return this.#weights.shards.reduce((sum, shard) => sum + shard.bytes, 0)
  }

  get weightFiles(): readonly string[] {
    return this.#weights.shards.map((shard) => shard.name)
  }

  names(): readonly string[] {
    return [...this.#weights.tensors.keys()]
  }

  has(tensor: string): boolean {
    return this.#weights.tensors.has(tensor)
  }

  shape(tensor: string): readonly number[] {
    return this.#shard(tensor).info(tensor).shape
  }

  async tensor(tensor: string, shape: readonly number[], into?: Float32Array): Promise<Float32Array> {
    return this.#checked(tensor, shape).read(tensor, into)
  }

  async rows(
    tensor: string,
    shape: readonly number[],
    first: number,
    count: number,
    into?: Float32Array,
  ): Promise<Float32Array> {
    return this.#checked(tensor, shape).rows(tensor, first, count, into)
  }

  async tokenizerJson(): Promise<unknown> {
    const file = this.#files.path(TOKENIZER)
    const text = await readText(this.#files, TOKENIZER)
    if (text === undefined) {
      throw new InputError(
        `${file}: the tokenizer must exist, got no such file; download it from the model's page`,
      )
    }
    return parseJson(text, file)
  }

  async close(): Promise<void> {
    for (const shard of this.#weights.shards) await shard.close()
  }

  /** The file that holds a tensor. */
  #shard(tensor: string): TensorFile {
    const shard = this.#weights.tensors.get(tensor)
    if (!shard) {
      throw new InputError(
        `${this.#files.name}: the weights must hold the tensor ${show(tensor)}, got none; ` +
          `check that ${this.configFile} belongs to them`,
      )
    }
    return shard
  }

  #checked(tensor: string, expected: readonly number[]): TensorFile {
    const shard = this.#shard(tensor)
    const { shape } = shard.info(tensor)
    if (shape.length !== expected.length || shape.some((size, i) => size !== expected[i])) {
      throw new InputError(
        `${shard.name}: tensor ${show(tensor)} must have shape [${expected}], got [${shape}]; ` +
          `check that ${this.configFile} belongs to it`,
      )
    }
    return shard
  }
}
