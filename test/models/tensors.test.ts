/** Checks of a checkpoint's tensors, and rows of its embedding. */
import { describe, expect, test } from 'vitest'
import type { Checkpoint } from '../../src/checkpoints/checkpoint.js'
import { embedRows, requireTensors } from '../../src/models/tensors.js'
import { inputError } from '../checkpoints/helpers.js'
import { memoryCheckpoint } from '../helpers/checkpoint.js'

function checkpoint(): Checkpoint {
  const ramp = (...shape: number[]) => ({
    shape,
    data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
  })
  const tensors = new Map([
    ['a', ramp(2, 3)],
    ['b', ramp(4)],
    ['table', ramp(5, 2)],
  ])
  return memoryCheckpoint({}, tensors, 'my model')
}

describe('requireTensors', () => {
  test('is content with the shapes that are there', () => {
    expect(() => requireTensors(checkpoint(), { a: [2, 3], b: [4] }, { prefix: 'mixer.' })).not.toThrow()
    expect(() => requireTensors(checkpoint(), {}, { prefix: 'mixer.' })).not.toThrow()
  })

  test('a missing tensor: which one, of which shape', async () => {
    expect(
      await inputError(() =>
        requireTensors(checkpoint(), { a: [2, 3], 'mixer.D': [7, 1] }, { prefix: 'mixer.' }),
      ),
    ).toBe(
      'my model: the weights must hold tensor mixer.D of shape [7,1], got none; use a complete checkpoint of this model',
    )
  })

  test.each([[[3, 2]], [[2]], [[2, 3, 1]], [[6]], [[]]])('another shape: [%s]', async (shape) => {
    expect(
      await inputError(() => requireTensors(checkpoint(), { b: [4], a: shape }, { prefix: 'mixer.' })),
    ).toBe(
      `my model: tensor a must have shape [${shape}] by my model/config.json, got [2,3]; use the config and weights of one model`,
    )
  })

  test('a tensor under the prefix that nobody asked for', async () => {
    expect(
      await inputError(() => requireTensors(checkpoint(), { a: [2, 3], b: [4] }, { prefix: 'tab' })),
    ).toBe(
      'my model: the weights must hold nothing that my model/config.json does not use, got tensor table; use the config and weights of one model',
    )
  })

  test('but for those that are known and not needed', () => {
    const known = { prefix: 'tab', ignored: /ble$/ }
    expect(() => requireTensors(checkpoint(), { a: [2, 3], b: [4] }, known)).not.toThrow()
  })
})

describe('embedRows', () => {
  test('rows in the order of the ids; each is read once', async () => {
    const read: number[] = []
    const whole = checkpoint()
    const counting: Checkpoint = {
      ...whole,
      rows: (tensor, shape, first, count) => {
        read.push(first)
        expect({ tensor, shape, count }).toEqual({ tensor: 'table', shape: [5, 2], count: 1 })
        return whole.rows(tensor, shape, first, count)
      },
      tensor: () => Promise.reject(new Error('the whole table was read')),
    }
    const rows = await embedRows(counting, 'table', [5, 2], [4, 0, 4, 1, 4])
    expect(Array.from(rows)).toEqual([8, 9, 0, 1, 8, 9, 2, 3, 8, 9])
    expect(read).toEqual([4, 0, 1])
  })

  test('of no ids', async () => {
    expect((await embedRows(checkpoint(), 'table', [5, 2], [])).length).toBe(0)
  })
})
