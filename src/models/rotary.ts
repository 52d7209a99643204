/**
 * Rotary position embeddings (Su et al. 2021, arXiv 2104.09864) as Hugging Face computes them: the two halves of a
 * head are the two coordinates (`rotate_half` in transformers' modeling_llama.py).
 */
import type { Graph, Value } from '../onnx/graph.js'
import type { ConfigReader } from './config.js'
import type { LayerRows } from './rows.js'

/**
 * Inverse frequencies `[headDim / 2]`, in radians per token (transformers, modeling_rope_utils.py: `default`, `linear`
 * and `llama3`). The config is transformers 5's (`rope_parameters`) or 4's (`rope_theta` and `rope_scaling`).
 * @throws InputError when the scaling is of another type
 */
export function inverseFrequencies(read: ConfigReader, headDim: number, maxPositions: number): Float32Array {
  // Where both are given transformers takes `rope_scaling`.
  const rope = read.object('rope_scaling') ?? read.object('rope_parameters')
  const theta = rope?.has('rope_theta') ? rope.number('rope_theta') : read.number('rope_theta', 10_000)
  const whole = Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim))
  if (!rope) return Float32Array.from(whole)
  if (rope.has('partial_rotary_factor') && rope.number('partial_rotary_factor') !== 1) {
    rope.refuse('partial_rotary_factor', 'must be 1')
  }
  // Until transformers 4.43 the key was `type`.
  const key = rope.has('rope_type') ? 'rope_type' : 'type'
  const type = rope.oneOf(key, ['default', 'linear', 'llama3'], 'default')
  if (type === 'default') return Float32Array.from(whole)
  const factor = rope.number('factor')
  if (type === 'linear') return Float32Array.from(whole, (frequency) => frequency / factor)
  const context = rope.number('original_max_position_embeddings', maxPositions)
  const low = rope.number('low_freq_factor')
  const high = rope.number('high_freq_factor')
  return Float32Array.from(whole, (frequency) => {
    // Turns in the original context: few are slowed by the factor, many are left, between them a mixture.
    const turns = (context * frequency) / (2 * Math.PI)
    const left = Math.min(1, Math.max(0, (turns - low) / (high - low)))
    return left * frequency + (1 - left) * (frequency / factor)
  })
}

/** Cosines and sines of the angles of all rows, each `[rows, 1, headDim / 2]`. */
export interface Angles {
  readonly cos: Value
  readonly sin: Value
}

/** The angles of every row by its position in its prompt. */
export function anglesOf(rows: LayerRows, frequencies: Float32Array): Angles {
  const { g } = rows
  const prompts = g.slice(rows.tokens, g.ints(0), g.ints(1), 0)
  const positions = g.concat(0, g.op('Tile', [rows.positions, prompts]), g.reshape(rows.suffixPositions, -1))
  if (g.gpu) return fromTables(g, positions, frequencies)
  const column = g.reshape(g.cast(positions, 'float32'), -1, 1, 1)
  const angles = g.mul(column, g.constant('frequencies', frequencies))
  return { cos: g.cos(angles), sin: g.sin(angles) }
}

/** Positions that one row of the coarse table stands for, and its rows: prompts may have as many tokens as the product. */
const FINE = 64
const COARSE = 2048

/**
 * The same from tables made in float64: how exact sines of large angles are is a GPU's own affair. Position p is
 * FINE a + b, and cos(x + y) = cos x cos y - sin x sin y, sin(x + y) = sin x cos y + cos x sin y.
 */
function fromTables(g: Graph, positions: Value, frequencies: Float32Array): Angles {
  const half = frequencies.length
  const table = (of: (angle: number) => number, step: number, count: number, index: Value): Value => {
    const entries = Float32Array.from({ length: count * half }, (_, i) =>
      of(step * Math.floor(i / half) * frequencies[i % half]!),
    )
    return g.gather(g.constant('angles', entries, [count, 1, half]), index) // [rows, 1, half]
  }
  const a = g.div(positions, g.int32(FINE))
  const b = g.sub(positions, g.mul(a, g.int32(FINE)))
  const [cosA, sinA] = [table(Math.cos, FINE, COARSE, a), table(Math.sin, FINE, COARSE, a)]
  const [cosB, sinB] = [table(Math.cos, 1, FINE, b), table(Math.sin, 1, FINE, b)]
  return {
    cos: g.sub(g.mul(cosA, cosB), g.mul(sinA, sinB)),
    sin: g.add(g.mul(sinA, cosB), g.mul(cosA, sinB)),
  }
}

/** Turn `[rows, heads headDim]` by the rows' angles. */
export function rotate(g: Graph, x: Value, heads: number, headDim: number, { cos, sin }: Angles): Value {
  const half = headDim / 2
  const [a, b] = g.split(g.reshape(x, 0, heads, headDim), 2, half, half) as [Value, Value]
  const turned = g.concat(2, g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(b, cos), g.mul(a, sin)))
  return g.reshape(turned, 0, heads * headDim)
}
