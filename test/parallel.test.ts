import { describe, expect, test } from 'vitest'
import { inParallel, Supply } from '../src/parallel.js'

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('inParallel', () => {
  test('results in the order of the items, at most so many at a time', async () => {
    let running = 0
    let most = 0
    const results = await inParallel([3, 1, 2, 5, 4], 2, async (item) => {
      most = Math.max(most, ++running)
      for (let i = 0; i < item; i++) await soon()
      running--
      return item * item
    })
    expect(results).toEqual([9, 1, 4, 25, 16])
    expect(most).toBe(2)
  })

  test('nothing to do', async () => {
    expect(await inParallel([], 3, async () => 1)).toEqual([])
  })

  test('after an error nothing is begun, and what runs ends first', async () => {
    const log: string[] = []
    const failing = inParallel(
      ['a', 'b', 'c', 'd'],
      2,
      async (item) => {
        log.push(`begin ${item}`)
        await soon()
        if (item === 'a') throw new Error('no a')
        await soon()
        log.push(`end ${item}`)
      },
      (error) => log.push(String(error)),
    )
    await expect(failing).rejects.toThrow('no a')
    expect(log).toEqual(['begin a', 'begin b', 'Error: no a', 'end b'])
  })
})

describe('Supply', () => {
  test('is given out in the order of asking, and never more than there is', async () => {
    const supply = new Supply(10)
    const log: string[] = []
    let out = 0
    const use = (name: string, amount: number): Promise<void> =>
      supply.use(amount, async () => {
        out += Math.min(10, amount)
        expect(out).toBeLessThanOrEqual(10)
        log.push(name)
        await soon()
        out -= Math.min(10, amount)
      })
    // `c` would fit beside `a`, but `b` was first. `d` wants more than there is: it gets all.
    await Promise.all([use('a', 4), use('b', 7), use('c', 3), use('d', 100), use('e', 1)])
    expect(log).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  test('what fails gives back what it had', async () => {
    const supply = new Supply(1)
    await expect(supply.use(1, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
    expect(await supply.use(1, async () => 'free')).toBe('free')
  })
})
