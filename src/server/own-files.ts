/** Files that the web app fetches and that are not of its own build: the embedded models, ONNX Runtime's WebAssembly. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { embeddedModels } from '../checkpoints/embedded.js'

/** What a page reads of an embedded model. */
const MODEL_FILES = ['config.json', 'model.safetensors', 'tokenizer.json']

/** What onnxruntime-web loads in a page: for WebAssembly, and for WebGPU. */
const ORT_FILES = ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.asyncify'].flatMap((name) => [
  `${name}.mjs`,
  `${name}.wasm`,
])

/** Each file's address below the app's, and where it is. */
export async function ownFiles(): Promise<ReadonlyMap<string, string>> {
  const dist = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'))
  const models = await embeddedModels()
  return new Map([
    ...models.flatMap(({ name, dir }) =>
      MODEL_FILES.map((file): [string, string] => [`models/${name}/${file}`, join(dir, file)]),
    ),
    ...ORT_FILES.map((file): [string, string] => [`ort/${file}`, join(dist, file)]),
  ])
}

let known: Promise<ReadonlyMap<string, string>> | undefined

/** Where the file of an address is, `models/tiny-mamba1/config.json` for instance; undefined when it is none of them. */
export async function ownFile(address: string): Promise<string | undefined> {
  known ??= ownFiles()
  return (await known).get(address)
}
