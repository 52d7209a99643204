/** The registry knows every architecture of src/models, and says so of one that it does not know. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Architecture } from '../../src/models/architecture.js'
import { ARCHITECTURES, checkConfig, openModel } from '../../src/models/registry.js'
import { inputError } from '../checkpoints/helpers.js'
import { memoryCheckpoint, referenceCheckpoint } from '../helpers/checkpoint.js'
import { randomMamba } from '../reference/random.js'

const FOLDER = new URL('../../src/models/', import.meta.url)

function isArchitecture(value: unknown): value is Architecture {
  return typeof value === 'object' && value !== null && 'modelType' in value && 'describe' in value
}

/** What the files of src/models export, the registry apart: an architecture each, or a list of them. */
async function exported(): Promise<{ file: string; architecture: Architecture }[]> {
  const files = readdirSync(fileURLToPath(FOLDER)).filter((file) => file !== 'registry.ts')
  const found = await Promise.all(
    files.map(async (file) => {
      const module = (await import(new URL(file, FOLDER).href)) as Record<string, unknown>
      const architectures = Object.values(module).flat().filter(isArchitecture)
      return architectures.map((architecture) => ({ file, architecture }))
    }),
  )
  return found.flat()
}

test('every architecture that a file exports is registered', async () => {
  const found = await exported()
  expect(found.map(({ file }) => file)).toContain('mamba.ts') // or there is nothing to compare
  const missing = found.filter(({ architecture }) => !ARCHITECTURES.includes(architecture))
  expect(missing.map(({ file, architecture }) => `${file}: ${architecture.modelType}`)).toEqual([])
})

test('every registered architecture is exported by a file of the folder, under a type of its own', async () => {
  const architectures = (await exported()).map(({ architecture }) => architecture)
  expect(ARCHITECTURES.filter((known) => !architectures.includes(known))).toEqual([])
  const types = ARCHITECTURES.map(({ modelType }) => modelType)
  expect(new Set(types).size).toBe(types.length)
})

test('opens the architecture that the config names', () => {
  const shape = { nLayers: 2, dModel: 4, dState: 2, dtRank: 1, convKernel: 2, vocabSize: 7 }
  const spec = openModel(referenceCheckpoint(randomMamba(1, shape), 'my model'))
  expect(spec).toMatchObject({ name: 'my model', modelType: 'mamba', nLayers: 2, dModel: 4, vocabSize: 7 })
})

test.each([
  [{ model_type: 'rwkv' }, '"rwkv"'],
  [{}, 'nothing'],
  [{ model_type: null }, 'null'],
  [{ model_type: 'Mamba' }, '"Mamba"'],
])('%j: the error lists the known ones', async (config, got) => {
  const known = ARCHITECTURES.map(({ modelType }) => modelType).join(', ')
  expect(known).toContain('mamba')
  expect(await inputError(() => openModel(memoryCheckpoint(config, new Map(), 'm')))).toBe(
    `m/config.json: model_type must be one of ${known}, got ${got}; use a model of these families`,
  )
})

test('quantized weights are refused before anything else is read', async () => {
  const config = { model_type: 'llama', quantization_config: { quant_method: 'gptq' } }
  expect(await inputError(() => openModel(memoryCheckpoint(config, new Map(), 'm')))).toBe(
    'm/config.json: quantization_config must be absent, got {"quant_method":"gptq"}; factflow reads weights in F32, F16 and BF16, use the model that is not quantized',
  )
})

test('checkConfig: a config alone, in the layout of Hugging Face or of mamba_ssm', async () => {
  const check = (config: Record<string, unknown>) => checkConfig({ config, configFile: 'm/config.json' })
  const llama = { model_type: 'llama', hidden_size: 8, num_attention_heads: 2, intermediate_size: 16 }
  const sizes = { num_hidden_layers: 1, vocab_size: 10 }
  expect(() => check({ ...llama, ...sizes })).not.toThrow()
  expect(() => check({ d_model: 16, n_layer: 2, vocab_size: 10 })).not.toThrow()
  expect(await inputError(() => check({ d_model: 16, n_layer: 0, vocab_size: 10 }))).toContain(
    'n_layer must be',
  )
  const yarn = { ...llama, ...sizes, rope_scaling: { rope_type: 'yarn', factor: 4 } }
  expect(await inputError(() => check(yarn))).toBe(
    'm/config.json: rope_scaling: rope_type must be one of default, linear, llama3, got "yarn"; factflow computes nothing else, use another model',
  )
})
