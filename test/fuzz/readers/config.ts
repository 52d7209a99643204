/** `config.json` of every architecture, with the weights that belong to it: what it describes, and what it costs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { type Checkpoint, openCheckpoint, viewOf } from '../../../src/checkpoints/checkpoint.js'
import { fingerprint } from '../../../src/checkpoints/fingerprint.js'
import { isObject, parseConfig } from '../../../src/checkpoints/json.js'
import { checkConfig, openModel } from '../../../src/models/registry.js'
import { MemorySource } from '../../checkpoints/bytes.js'
import { type Reader, Rejected } from '../harness.js'
import { damagedJson, utf8 } from '../mutate.js'

const ORACLE = join(import.meta.dirname, '..', '..', 'fixtures', 'oracle')

/** One of each architecture and layout; more spellings of the same in `test/fixtures/variants`. */
const MODELS = [
  ...['mamba1-hf', 'mamba1-original', 'falcon-mamba-hf', 'mamba2-hf', 'mamba2-original', 'gpt2', 'llama'],
  ...['mistral', 'qwen2', '../variants/llama-rope-llama3-tied', '../variants/qwen2-layer-types'],
].map((name) => {
  const dir = join(ORACLE, name)
  const weights = name.endsWith('-original') ? 'pytorch_model.bin' : 'model.safetensors'
  return {
    config: JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as unknown,
    weights,
    bytes: new Uint8Array(readFileSync(join(dir, weights))),
  }
})

const CONFIGS = MODELS.map(({ config }) => config)

const checkpoints: Checkpoint[] = []

export const reader: Reader<{ readonly model: number; readonly config: string }> = {
  name: 'config',
  inputs: fc.oneof(
    ...MODELS.map((_, model) =>
      fc.record({ model: fc.constant(model), config: damagedJson(CONFIGS, [], model) }),
    ),
  ),
  async open() {
    // Weights are as they were: opened once.
    for (const [i, { config, weights, bytes }] of MODELS.entries()) {
      const files = new Map([
        ['config.json', utf8(JSON.stringify(config))],
        [weights, bytes],
      ])
      checkpoints[i] = await openCheckpoint('model', {
        name: 'model',
        path: (file) => `model/${file}`,
        open: async (file) =>
          files.has(file) ? new MemorySource(`model/${file}`, files.get(file)!) : undefined,
      })
    }
  },
  async read({ model, config: text }) {
    const config = parseConfig(text, 'model/config.json')
    if (!isObject(config))
      throw new Rejected('model/config.json: must be an object, got something else; use another')
    // What results are told apart by: of the config, not of files that are not on a disk here.
    const changes = { config, weightFiles: [], tokenizerJson: async () => config }
    const checkpoint = viewOf(checkpoints[model]!, changes)
    checkConfig(checkpoint)
    openModel(checkpoint)
    await fingerprint(checkpoint)
  },
}
