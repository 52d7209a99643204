/**
 * The head of a model: final RMSNorm, unembedding, and what is asked of the logits.
 *
 * Per row: log p(answer) = logit[answer] - log sum exp(logits); rank = 1 + number of tokens with a larger logit; the
 * token with the largest logit.
 */
import { Graph, type OnnxModel } from '../onnx/graph.js'

export interface HeadWeights {
  /** `[dModel]` */
  readonly norm: Float32Array
  /** `[vocabSize, dModel]` */
  readonly unembedding: Float32Array
  readonly epsilon: number
  readonly vocabSize: number
  readonly dModel: number
}

/**
 * Inputs: `base` `[B * T, dModel]` and `runs` `[R * L, dModel]` float32; `rows` int32 `[n]`, which rows of base
 * followed by runs are asked about; `answer` int32 `[n, 1]`, a token for each.
 * Outputs, `[n, 1]`: `logProb` float32 (natural logarithm), `rank` int32 from 1, `top` int32; and for whole
 * distributions, log p = `shifted` float32 `[n, vocabSize]` - `logSum` float32 `[n, 1]`.
 */
export function headGraph({ norm, unembedding, epsilon, vocabSize, dModel }: HeadWeights): OnnxModel {
  const g = new Graph('head')
  const base = g.input('base', 'float32', ['B*T', dModel])
  const runs = g.input('runs', 'float32', ['R*L', dModel])
  const rows = g.input('rows', 'int32', ['n'])
  const answer = g.input('answer', 'int32', ['n', 1])
  const h = g.gather(g.concat(0, base, runs), rows)
  const logits = g.linear(
    g.rmsNorm(h, g.constant('norm', norm), epsilon),
    g.constant('unembedding', unembedding, [vocabSize, dModel]),
  )
  const shifted = g.sub(logits, g.reduceMax(logits, 1))
  const logSum = g.log(g.reduceSum(g.exp(shifted), 1))
  const answerLogit = g.op('GatherElements', [shifted, answer], { axis: 1 })
  const larger = g.reduceSum(g.cast(g.greater(shifted, answerLogit), 'float32'), 1)
  g.output('logProb', g.sub(answerLogit, logSum), 'float32', ['n', 1])
  g.output('rank', g.add(g.cast(larger, 'int32'), g.int32(1)), 'int32', ['n', 1])
  g.output('top', g.cast(g.argMax(shifted, 1), 'int32'), 'int32', ['n', 1])
  g.output('shifted', shifted, 'float32', ['n', vocabSize])
  g.output('logSum', logSum, 'float32', ['n', 1])
  return g.build()
}
