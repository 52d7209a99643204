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
  const column = g.reshape(g.cast(positions, 'float32'), -1, 1, 1)
  const angles = g.mul(column, g.constant('frequencies', frequencies))
  return { cos: g.cos(angles), sin: g.sin(angles) }
}

/** Turn `[rows, heads headDim]` by the rows' angles. */
export function rotate(g: Graph, x: Value, heads: number, headDim: number, { cos, sin }: Angles): Value {
  const half = headDim / 2
  const [a, b] = g.split(g.reshape(x, 0, heads, headDim), 2, half, half) as [Value, Value]
  const turned = g.concat(2, g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(b, cos), g.mul(a, sin)))
  return g.reshape(turned, 0, heads * headDim)
}
