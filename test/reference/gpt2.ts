/** GPT-2 in the reference engine (Radford et al. 2019), as Hugging Face's `GPT2LMHeadModel` computes it. */
import { attention } from './attention.js'
import { added, columns, gelu, geluNew, layerNorm, linear, type Rows, transposed } from './math.js'
import {
  embeddings,
  type Gpt2Config,
  type ReferenceFamily,
  type ReferenceModel,
  tensor,
  unembedding,
} from './model.js'

const EMBEDDING = 'transformer.wte.weight'

export const gpt2: ReferenceFamily<Gpt2Config> = {
  embed(model, tokens) {
    const { vocabSize, nPositions } = model.config
    const positions = embeddings(model, 'transformer.wpe.weight', nPositions, [...tokens.keys()])
    return added(embeddings(model, EMBEDDING, vocabSize, tokens), positions)
  },
  layer(model, layer, residual, knockouts) {
    const { config } = model
    const { dModel, nHeads, dMlp } = config
    const at = `transformer.h.${layer}`
    const headDim = dModel / nHeads
    const scale =
      (config.scaleWeights ? 1 / Math.sqrt(headDim) : 1) / (config.scaleByInverseLayer ? layer + 1 : 1)

    const qkv = affine(model, `${at}.attn.c_attn`, norm(model, `${at}.ln_1`, residual), 3 * dModel)
    const mixed = attention(
      {
        q: columns(qkv, 0, dModel),
        k: columns(qkv, dModel, 2 * dModel),
        v: columns(qkv, 2 * dModel, 3 * dModel),
        nHeads,
        nKvHeads: nHeads,
        headDim,
        scale,
        window: Number.POSITIVE_INFINITY,
      },
      knockouts,
    )
    const attended = added(residual, affine(model, `${at}.attn.c_proj`, mixed, dModel))
    const inner = affine(model, `${at}.mlp.c_fc`, norm(model, `${at}.ln_2`, attended), dMlp)
    const activated = inner.map((row) => row.map(config.activation === 'gelu' ? gelu : geluNew))
    return added(attended, affine(model, `${at}.mlp.c_proj`, activated, dModel))
  },
  logits: (model, rows) => linear(norm(model, 'transformer.ln_f', rows), unembedding(model, EMBEDDING)),
}

/** The LayerNorm `name`. */
function norm(model: ReferenceModel<Gpt2Config>, name: string, x: Rows): Rows {
  const { dModel, epsilon } = model.config
  const weight = tensor(model, `${name}.weight`, [dModel])
  return layerNorm(x, weight, tensor(model, `${name}.bias`, [dModel]), epsilon)
}

/** The `Conv1D` named `name`: `x W + bias`, W [in, out]. */
function affine(model: ReferenceModel<Gpt2Config>, name: string, x: Rows, width: number): Rows {
  const weight = tensor(model, `${name}.weight`, [x[0].length, width])
  return linear(x, transposed(weight), tensor(model, `${name}.bias`, [width]))
}
