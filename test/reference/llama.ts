/**
 * The Llama family in the reference engine: Llama 2 and 3, Mistral, Qwen2. Equations: Touvron et al. 2023 (arXiv
 * 2302.13971) as Hugging Face's `LlamaForCausalLM`, `MistralForCausalLM` and `Qwen2ForCausalLM` compute them; rotary
 * embeddings: Su et al. 2021 (arXiv 2104.09864), the two halves of a head as pairs.
 */
import { attention } from './attention.js'
import { added, linear, type Rows, rmsNorm, silu } from './math.js'
import {
  embeddings,
  type LlamaConfig,
  type ReferenceFamily,
  type ReferenceModel,
  type Rope,
  tensor,
  unembedding,
} from './model.js'

const EMBEDDING = 'model.embed_tokens.weight'

export const llama: ReferenceFamily<LlamaConfig> = {
  embed: (model, tokens) => embeddings(model, EMBEDDING, model.config.vocabSize, tokens),
  layer(model, layer, residual, knockouts) {
    const { dModel, nHeads, nKvHeads, headDim, dMlp, qkvBias, oBias, mlpBias, rope, windows } = model.config
    const at = `model.layers.${layer}`
    const project = (name: string, x: Rows, width: number, hasBias: boolean) =>
      linear(
        x,
        tensor(model, `${at}.${name}.weight`, [width, x[0].length]),
        hasBias ? tensor(model, `${at}.${name}.bias`, [width]) : undefined,
      )
    const normed = norm(model, `${at}.input_layernorm`, residual)
    const frequencies = ropeFrequencies(rope, headDim)
    const mixed = attention(
      {
        q: rotated(project('self_attn.q_proj', normed, nHeads * headDim, qkvBias), frequencies),
        k: rotated(project('self_attn.k_proj', normed, nKvHeads * headDim, qkvBias), frequencies),
        v: project('self_attn.v_proj', normed, nKvHeads * headDim, qkvBias),
        nHeads,
        nKvHeads,
        headDim,
        scale: 1 / Math.sqrt(headDim),
        window: windows[layer],
      },
      knockouts,
    )
    const attended = added(residual, project('self_attn.o_proj', mixed, dModel, oBias))
    const second = norm(model, `${at}.post_attention_layernorm`, attended)
    const gate = project('mlp.gate_proj', second, dMlp, mlpBias)
    const up = project('mlp.up_proj', second, dMlp, mlpBias)
    const inner = gate.map((row, t) => row.map((value, i) => silu(value) * up[t][i]))
    return added(attended, project('mlp.down_proj', inner, dModel, mlpBias))
  },
  logits: (model, rows) => linear(norm(model, 'model.norm', rows), unembedding(model, EMBEDDING)),
}

/** The RMSNorm `name`. */
function norm(model: ReferenceModel<LlamaConfig>, name: string, x: Rows): Rows {
  const { dModel, epsilon } = model.config
  return rmsNorm(x, tensor(model, `${name}.weight`, [dModel]), epsilon)
}

/** Angle per position of each pair of a head's columns, [headDim / 2]. */
export function ropeFrequencies(rope: Rope, headDim: number): number[] {
  const plain = Array.from({ length: headDim / 2 }, (_, i) => rope.theta ** ((-2 * i) / headDim))
  switch (rope.type) {
    case 'default':
      return plain
    case 'linear':
      return plain.map((frequency) => frequency / rope.factor)
    case 'llama3': {
      // Llama 3.1: long waves are stretched, short ones are kept, those between are interpolated.
      const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = rope
      return plain.map((frequency) => {
        const waves = (originalMaxPositions * frequency) / (2 * Math.PI) // in the original context
        if (waves > highFreqFactor) return frequency
        if (waves < lowFreqFactor) return frequency / factor
        const smooth = (waves - lowFreqFactor) / (highFreqFactor - lowFreqFactor)
        return (1 - smooth) * (frequency / factor) + smooth * frequency
      })
    }
    default:
      throw new Error(`rope: unknown type ${rope satisfies never}`)
  }
}

/** Rotary embedding: in each head of row t, columns i and i + headDim / 2 turned by the angle t * frequency[i]. */
export function rotated(x: Rows, frequencies: number[]): Rows {
  const half = frequencies.length
  return x.map((row, t) =>
    row.map((value, column) => {
      const place = column % (2 * half)
      const angle = t * frequencies[place % half]
      const other = place < half ? -row[column + half] : row[column - half]
      return value * Math.cos(angle) + other * Math.sin(angle)
    }),
  )
}
