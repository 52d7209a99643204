/** What the local Hub serves: the oracles' checkpoints, and among which other files a model lies. */
import { readFileSync } from 'node:fs'
import { type Files, folderFiles } from './server.js'

const ORACLE = 'test/fixtures/oracle'

/** The files of an oracle's checkpoint. */
export function oracleFiles(name: string): Record<string, Uint8Array> {
  const { 'cases.json': _, ...files } = folderFiles(`${ORACLE}/${name}`)
  return files
}

/** The tokenizer of the embedded models. */
export const TOKENIZER: Uint8Array = readFileSync('models/tiny-mamba1/tokenizer.json')

/** Files that a repository may hold and that factflow does not need. */
export const OTHERS: Files = {
  '.gitattributes': '*.safetensors filter=lfs diff=lfs merge=lfs -text\n',
  'README.md': '# A model\n',
  'tokenizer_config.json': '{}',
  'generation_config.json': '{}',
  'pytorch_model.bin': 'weights in another format',
  'flax_model.msgpack': 'weights in a third',
  'model.Q4_0.gguf': 'and in a fourth',
  'original/params.json': '{}',
}

/** Mamba-1 as on the Hub: five layers, 64 tokens, 182 kB of weights. */
export function mamba(): Record<string, string | Uint8Array> {
  return { ...OTHERS, ...oracleFiles('mamba1-hf'), 'tokenizer.json': TOKENIZER }
}

/** The size of mamba's weights in bytes. */
export const WEIGHT_BYTES = 181_752

/** Mistral in three shards, 75 kB of weights. */
export function sharded(): Record<string, string | Uint8Array> {
  const { 'cases.json': _, ...files } = folderFiles('test/fixtures/variants/mistral-window-sharded')
  return { ...OTHERS, ...files, 'tokenizer.json': TOKENIZER }
}

/** mamba's weights as they are in the file. */
export function weights(): Uint8Array {
  return readFileSync(`${ORACLE}/mamba1-hf/model.safetensors`)
}
