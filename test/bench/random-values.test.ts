import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomValues } from '../../bench/random-values.js'
import { pythonWith } from '../helpers/python.js'

const PYTHON = pythonWith('numpy')

type Case = readonly [name: string, shape: readonly number[], seed: number]

const CASES: readonly Case[] = [
  ['backbone.embeddings.weight', [5000, 768], 0],
  ['backbone.embeddings.weight', [300, 7], 4_294_967_295],
  ['lm_head.weight', [1000, 64], 1],
  ['backbone.layers.0.mixer.in_proj.weight', [3072, 768], 0],
  ['backbone.layers.63.mixer.x_proj.weight', [192, 5120], 7],
  ['backbone.layers.0.mixer.conv1d.weight', [1536, 1, 4], 0],
  ['backbone.layers.0.mixer.conv1d.bias', [1536], 0],
  ['backbone.layers.1.mixer.dt_proj.bias', [1536], 0],
  ['backbone.layers.1.mixer.dt_bias', [24], 3],
  ['backbone.layers.0.mixer.A_log', [1536, 16], 0],
  ['backbone.layers.0.mixer.A_log', [5120, 16], 0],
  ['backbone.layers.0.mixer.A_log', [10, 256], 0],
  ['backbone.layers.0.mixer.A_log', [24], 0],
  ['backbone.layers.0.mixer.D', [1536], 0],
  ['backbone.norm_f.weight', [768], 0],
]

const SCRIPT = `
import hashlib, json, sys
sys.dont_write_bytecode = True
from values import values
for name, shape, seed in json.loads(sys.argv[1]):
    print(hashlib.sha256(values(name, tuple(shape), seed).tobytes()).hexdigest())
`

const whole = ([name, shape, seed]: Case): Float32Array => randomValues(name, shape, 0, shape[0]!, seed)

const variance = (values: Float32Array): number => values.reduce((sum, v) => sum + v * v, 0) / values.length

describe('weights of random models', () => {
  test('Python makes the same ones, bit for bit', ({ skip }) => {
    if (!PYTHON) skip('needs a Python with NumPy (FACTFLOW_PYTHON names one)')
    const output = execFileSync(PYTHON!, ['-c', SCRIPT, JSON.stringify(CASES)], {
      cwd: resolve(import.meta.dirname, '../../bench/peer'),
      encoding: 'utf8',
    })
    const ours = CASES.map((one) =>
      createHash('sha256')
        .update(new Uint8Array(whole(one).buffer))
        .digest('hex'),
    )
    expect(output.trim().split('\n')).toEqual(ours)
  })

  test('some rows are those of the whole tensor', () => {
    const rows = fc
      .constantFrom(...CASES.filter(([, shape]) => shape.reduce((a, b) => a * b) < 30_000))
      .chain((one) => fc.tuple(fc.constant(one), fc.nat(one[1][0]! - 1), fc.nat(one[1][0]!)))
    fc.assert(
      fc.property(rows, ([one, a, b]) => {
        const [name, shape, seed] = one
        const [first, end] = [Math.min(a, b), Math.max(a, b)]
        const width = shape.slice(1).reduce((product, n) => product * n, 1)
        expect(randomValues(name, shape, first, end - first, seed)).toEqual(
          whole(one).subarray(first * width, end * width),
        )
      }),
      { numRuns: 30 },
    )
  })

  test('no row is another one, whatever the width', () => {
    const [rows, width] = [4096, 2 ** 10]
    const values = randomValues('w.weight', [rows, width], 0, rows)
    const starts = Array.from({ length: rows }, (_, row) =>
      values.slice(row * width, row * width + 4).join(' '),
    )
    expect(new Set(starts).size).toBe(rows)
  })

  test('names and seeds make others', () => {
    const one = randomValues('layers.0.w.weight', [4, 8], 0, 4)
    expect(randomValues('layers.1.w.weight', [4, 8], 0, 4)).not.toEqual(one)
    expect(randomValues('layers.0.w.weight', [4, 8], 0, 4, 1)).not.toEqual(one)
  })

  test('have the scale of trained ones', () => {
    // Of 200,000 uniform numbers the variance is within 0.2 % of its mean; five times that.
    const within = 0.01
    for (const inputs of [50, 200]) {
      const shape = [200_000 / inputs, inputs]
      const spread = inputs * variance(randomValues('w.weight', shape, 0, shape[0]!))
      expect(Math.abs(spread - 1)).toBeLessThan(within)
    }
    const bias = randomValues('mixer.dt_proj.bias', [10_000], 0, 10_000)
    expect(Math.min(...bias)).toBeGreaterThan(-4)
    expect(Math.max(...bias)).toBeLessThanOrEqual(0)
    expect(randomValues('mixer.D', [3], 0, 3)).toEqual(new Float32Array([1, 1, 1]))
  })

  test.each([
    [1536, 16],
    [5120, 16],
    [24, 1],
  ])('decays of %i channels are further apart than float32 rounds', (channels, states) => {
    const aLog = randomValues('mixer.A_log', [channels, states], 0, channels)
    const norms = Array.from({ length: channels }, (_, d) =>
      aLog.subarray(d * states, (d + 1) * states).reduce((sum, a) => sum + Math.exp(-Math.exp(a)), 0),
    ).sort((a, b) => a - b)
    const gaps = norms.slice(1).map((norm, i) => norm - norms[i]!)
    // A sum of 16 float32 numbers below 1, each rounded a few times.
    const rounding = 1e-6
    expect(Math.min(...gaps)).toBeGreaterThan(10 * rounding)
  })
})
