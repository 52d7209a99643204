/** Files of PyTorch that are cut or damaged: an InputError, or tensors of the shape that the file says. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TensorFile } from '../../src/checkpoints/tensor-file.js'
import { openTorch } from '../../src/checkpoints/torch.js'
import { inputError, MemorySource } from './helpers.js'

/** Reading all of a fixture takes a few milliseconds; this is for a machine that is busy. */
const MAX_SECONDS = 5

/** How many tensors could be read; undefined when the file could not be opened. Nothing but InputErrors is thrown. */
async function readable(content: Uint8Array): Promise<number | undefined> {
  const start = performance.now()
  // It refuses reads outside itself.
  const source = new MemorySource('m.bin', content)
  let file: TensorFile
  try {
    file = await openTorch(source)
  } catch (error) {
    await inputError(Promise.reject(error))
    expect(source.closed).toBe(1)
    return undefined
  }
  let tensors = 0
  for (const name of file.names()) {
    const { shape } = file.info(name)
    try {
      expect((await file.read(name)).length).toBe(shape.reduce((a, b) => a * b, 1))
      tensors++
    } catch (error) {
      await inputError(Promise.reject(error))
    }
  }
  await file.close()
  expect(performance.now() - start).toBeLessThan(MAX_SECONDS * 1000)
  return tensors
}

describe.each(['new.bin', 'old.bin', 'new-protocol4.bin', 'old-protocol4.bin'])('%s', (name) => {
  const bytes = new Uint8Array(readFileSync(`test/fixtures/torch/${name}`))

  test('the file itself', async () => {
    expect(await readable(bytes)).toBe(17)
  })

  test('no cut goes unseen', async () => {
    for (let size = 0; size < bytes.length; size += size < 200 ? 1 : 5) {
      expect(await readable(bytes.subarray(0, size))).toBeUndefined()
    }
  })

  test('bytes that are changed', async () => {
    const change = fc.record({ at: fc.nat({ max: bytes.length - 1 }), value: fc.nat({ max: 255 }) })
    let opened = 0
    let refused = 0
    const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const damaged = bytes.slice()
      for (const { at, value } of changes) damaged[at] = value
      if ((await readable(damaged)) === undefined) refused++
      else opened++
    })
    await fc.assert(property, { numRuns: 600 })
    expect([opened > 0, refused > 0]).toEqual([true, true])
  })

  test('bytes that are lost or repeated', async () => {
    for (let at = 0; at < bytes.length; at += 13) {
      const before = bytes.subarray(0, at)
      for (const rest of [bytes.subarray(at + 1), bytes.subarray(Math.max(0, at - 1))]) {
        const content = new Uint8Array(before.length + rest.length)
        content.set(before)
        content.set(rest, before.length)
        await readable(content)
      }
    }
  })
})
