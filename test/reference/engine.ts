/**
 * The reference engine: knockout the slow and plain way, for tests.
 *
 * One whole run of the model per knockout, with the attention of every layer materialised (in state-space layers the
 * implicit one) and its cut entries taken out, in float64. It shares nothing with src/. Knockout: Endy et al. 2025
 * (arXiv 2505.24244).
 */
import { gpt2 } from './gpt2.js'
import { llama } from './llama.js'
import { mamba } from './mamba.js'
import { mamba2 } from './mamba2.js'
import { type Rows, softmax } from './math.js'
import type { ReferenceConfig, ReferenceFamily, ReferenceKnockout, ReferenceModel } from './model.js'

/**
 * Next-token distribution at the last position, [vocabSize], in one whole run.
 * All `knockouts` are in force at once: a connection is cut where any of them cuts it.
 * @throws Error on an empty prompt, a missing or misshapen tensor, a token, position or layer out of range.
 */
export function referenceProbs(
  model: ReferenceModel,
  tokens: number[],
  knockouts: ReferenceKnockout[] = [],
): Float64Array {
  const last = referenceHidden(model, tokens, knockouts)[model.config.nLayers].slice(-1)
  return softmax(familyOf(model.config).logits(model, last)[0])
}

/**
 * The residual stream of one whole run, [nLayers + 1][T][dModel]: entry l enters layer l, the last one leaves the
 * last layer (before the final norm). Knockouts and throws as in `referenceProbs`.
 */
export function referenceHidden(
  model: ReferenceModel,
  tokens: number[],
  knockouts: ReferenceKnockout[] = [],
): Rows[] {
  const { nLayers, vocabSize } = model.config
  checkIndices('tokens', tokens, vocabSize)
  if (tokens.length === 0) throw new Error('tokens: at least one')
  for (const knockout of knockouts) {
    checkIndices('layers', knockout.layers, nLayers)
    checkIndices('sources', knockout.sources, tokens.length)
    checkIndices('targets', knockout.targets, tokens.length)
  }
  const family = familyOf(model.config)
  const hidden = [family.embed(model, tokens)]
  for (let layer = 0; layer < nLayers; layer++) {
    const inForce = knockouts.filter(({ layers }) => layers.includes(layer))
    hidden.push(family.layer(model, layer, hidden[layer], inForce))
  }
  return hidden
}

/** The family of a config: it computes any model with this config's `modelType`. */
function familyOf({ modelType }: ReferenceConfig): ReferenceFamily<ReferenceConfig> {
  switch (modelType) {
    case 'mamba':
    case 'falcon_mamba':
      return mamba as ReferenceFamily<ReferenceConfig>
    case 'mamba2':
      return mamba2 as ReferenceFamily<ReferenceConfig>
    case 'gpt2':
      return gpt2 as ReferenceFamily<ReferenceConfig>
    case 'llama':
    case 'mistral':
    case 'qwen2':
      return llama as ReferenceFamily<ReferenceConfig>
    default:
      throw new Error(`modelType: unknown ${modelType satisfies never}`)
  }
}

function checkIndices(what: string, indices: number[], length: number): void {
  for (const i of indices) {
    if (!Number.isInteger(i) || i < 0 || i >= length) throw new Error(`${what}: 0 to ${length - 1}, got ${i}`)
  }
}
