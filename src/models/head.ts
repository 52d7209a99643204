/**
 * The head of a model: final norm (RMSNorm or LayerNorm), unembedding, and what is asked of the logits.
 *
 * Per row: log p(answer) = logit[answer] - log sum exp(logits); rank = 1 + number of tokens with a larger logit; the
 * token with the largest logit.
 */
import { Graph, type OnnxModel } from '../onnx/graph.js'

export interface HeadWeights {
  /** `[dModel]` */
  readonly norm: Float32Array
  /** `[dModel]`; with it the norm is LayerNorm, without RMSNorm. */
  readonly normBias?: Float32Array
  /** `[vocabSize, dModel]` */
  readonly unembedding: Float32Array
  readonly epsilon: number
  readonly vocabSize: number
  readonly dModel: number
}

/** Bytes of a block of logits: about a second-level cache. */
const BLOCK_BYTES = 2 ** 20

/** Columns of the head's `summary`. */
export const SUMMARY = { logProb: 0, rank: 1, top: 2 } as const

/**
 * Inputs: `base` `[B * T, dModel]` and `runs` `[R * L, dModel]` float32; `rows` int32 `[n]`, which rows of base
 * followed by runs are asked about; `answer` int32 `[n, 1]`, a token for each.
 * Outputs, float32: `summary` `[n, 3]`, see SUMMARY: natural logarithm of the answer's probability, its rank from 1,
 * the most probable token; and `logits` `[n, vocabSize]`, for whole distributions.
 */
export function headGraph({
  norm,
  normBias,
  unembedding,
  epsilon,
  vocabSize,
  dModel,
}: HeadWeights): OnnxModel {
  const g = new Graph('head')
  const base = g.input('base', 'float32', ['B*T', dModel])
  const runs = g.input('runs', 'float32', ['R*L', dModel])
  const rows = g.input('rows', 'int32', ['n'])
  const answer = g.input('answer', 'int32', ['n', 1])
  const h = g.gather(g.concat(0, base, runs), rows)
  const weight = g.constant('norm', norm)
  const normed = normBias
    ? g.layerNorm(h, weight, g.constant('norm bias', normBias), epsilon)
    : g.rmsNorm(h, weight, epsilon)
  const logits = g.linear(normed, g.constant('unembedding', unembedding, [vocabSize, dModel]))
  const summary = g.blocks(
    Math.max(1, Math.floor(BLOCK_BYTES / (4 * vocabSize))),
    [
      { value: logits, type: 'float32' },
      { value: answer, type: 'int32' },
    ],
    (block, [x, token]) => {
      const max = block.reduceMax(x!, 1)
      const rest = block.log(block.reduceSum(block.exp(block.sub(x!, max)), 1))
      const own = block.op('GatherElements', [x!, token!], { axis: 1 })
      // Not own - (max + rest): of large logits that sum would lose the digits of the difference.
      const logProb = block.sub(block.sub(own, max), rest)
      const larger = block.reduceSum(block.cast(block.greater(x!, own), 'float32'), 1)
      const rank = block.add(larger, block.scalar(1))
      const top = block.cast(block.argMax(x!, 1), 'float32')
      return block.concat(1, logProb, rank, top)
    },
  )
  g.output('summary', summary, 'float32', ['n', Object.keys(SUMMARY).length])
  g.output('logits', logits, 'float32', ['n', vocabSize])
  return g.build()
}
