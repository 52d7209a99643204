import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { namedSize, randomModel, SIZES, writeRandomModel } from '../../bench/random-model.js'
import { openFolder } from '../../src/checkpoints/folder.js'
import { InputError } from '../../src/errors.js'
import { openModel } from '../../src/models/registry.js'

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)

/** Cut the lower half of each value off, in place. */
function cutToBf16(values: Float32Array): void {
  const words = new Uint32Array(values.buffer)
  for (let i = 0; i < words.length; i++) words[i]! &= 0xffff0000
}

test.each([
  ['tiny-mamba', 'F32'],
  ['tiny-mamba2', 'F32'],
  ['tiny-falcon-mamba', 'F32'],
  ['tiny-mamba', 'BF16'],
] as const)('%s in %s on disk is the one in memory', async (name, dtype) => {
  const { config } = namedSize(name)
  const dir = await mkdtemp(join(tmpdir(), 'factflow-test-'))
  try {
    await writeRandomModel(dir, { config, dtype }, 5)
    const stored = await openFolder(dir, name)
    const made = randomModel(config, 5)
    expect([...stored.names()].sort()).toEqual([...made.names()].sort())
    for (const tensor of made.names()) {
      const shape = made.shape(tensor)
      const values = await made.tensor(tensor, shape)
      if (dtype === 'BF16') cutToBf16(values)
      const read = await stored.tensor(tensor, shape)
      // Of millions of values `toEqual` takes seconds.
      expect([tensor, bytes(read).equals(bytes(values))]).toEqual([tensor, true])
    }
    await stored.close()
  } finally {
    await rm(dir, { recursive: true })
  }
})

test.each(Object.keys(SIZES))('%s is a model', (name) => {
  expect(openModel(randomModel(namedSize(name).config)).nLayers).toBeGreaterThan(0)
})

test('a size must be known', () => {
  expect(() => namedSize('mamba-13t')).toThrow(InputError)
  expect(() => namedSize('mamba-13t')).toThrow(
    /^size: must be one of mamba-130m, .*, got "mamba-13t"; choose/,
  )
})
