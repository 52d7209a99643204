/**
 * The head of a model: final norm (RMSNorm or LayerNorm), unembedding, and what is asked of the logits. The
 * unembedding is cut into parts of the vocabulary, so that loading it takes no more memory than loading a layer.
 *
 * Per row: log p(answer) = logit[answer] - log sum exp(logits); rank = 1 + number of tokens with a larger logit; the
 * token with the largest logit, and on request the k tokens with the largest ones. Each part says of its own tokens
 * what `combine` and `topTokens` need for that.
 */
import { CPU_TARGET, Graph, type OnnxModel, type Value, type WeightForm } from '../onnx/graph.js'

export interface NormWeights {
  /** `[dModel]` */
  readonly weight: Float32Array
  /** `[dModel]`; with it the norm is LayerNorm, without RMSNorm. */
  readonly bias?: Float32Array
  readonly epsilon: number
}

/** Tokens of the vocabulary whose logits one session computes. */
export interface HeadPart {
  readonly first: number
  readonly count: number
}

/** Logits of a group in which the largest one is looked for; `headParts` cuts the vocabulary into such groups. */
const GROUP = 64

/**
 * Cut a vocabulary into as few nearly equal parts as have at most `bytes` bytes of weights each. Where they have
 * thousands of tokens, all but the last have whole groups, see `largest`.
 */
export function headParts(vocabSize: number, dModel: number, bytes: number): HeadPart[] {
  const parts = Math.min(vocabSize, Math.ceil((4 * vocabSize * dModel) / bytes))
  const step = vocabSize / parts < 16 * GROUP ? 1 : GROUP
  const edge = (i: number): number =>
    i === parts ? vocabSize : Math.floor((i * vocabSize) / parts / step) * step
  return Array.from({ length: parts }, (_, i) => ({ first: edge(i), count: edge(i + 1) - edge(i) }))
}

/**
 * The final norm. Inputs: `base` `[B * T, dModel]` and `runs` `[R * L, dModel]`; `rows` int32 `[n]`, which rows of
 * base followed by runs are asked about; `answers` `[n, dModel]`, the unembedding of each one's answer.
 * Outputs: `hidden` `[n, dModel]`, normed; `answerLogit` `[n, 1]`.
 */
export function finalNormGraph({ weight, bias, epsilon }: NormWeights): OnnxModel {
  const dModel = weight.length
  const g = new Graph('final norm')
  const base = g.input('base', 'float32', ['B*T', dModel])
  const runs = g.input('runs', 'float32', ['R*L', dModel])
  const rows = g.input('rows', 'int32', ['n'])
  const answers = g.input('answers', 'float32', ['n', dModel])
  const h = g.gather(g.concat(0, base, runs), rows)
  const scale = g.constant('weight', weight)
  const hidden = bias
    ? g.layerNorm(h, scale, g.constant('bias', bias), epsilon)
    : g.rmsNorm(h, scale, epsilon)
  g.output('hidden', hidden, 'float32', ['n', dModel])
  g.output('answerLogit', g.reduceSum(g.mul(hidden, answers), 1), 'float32', ['n', 1])
  return g.build()
}

/** Bytes of a block of logits: about a second-level cache. */
const BLOCK_BYTES = 2 ** 20

/** Columns of a part's `summary`. */
export const SUMMARY = {
  /** The largest logit of the part, */
  max: 0,
  /** the sum of exp(logit - max), */
  sum: 1,
  /** the token of the largest logit, counted from the part's first, */
  top: 2,
  /** the answer's logit where the answer is in the part, */
  answer: 3,
  /** and how many other tokens have a larger logit than the answer. */
  larger: 4,
} as const
const COLUMNS = Object.keys(SUMMARY).length

/** What a part of the unembedding gives besides its summary. */
export interface HeadOutputs {
  /** The tokens with the largest logits. */
  readonly topK: boolean
  /** All logits. */
  readonly logits: boolean
}

/**
 * One part of the unembedding.
 * Inputs: `hidden` `[n, dModel]` and `answerLogit` `[n, 1]` of the final norm; `answer` int32 `[n, 1]`, counted from
 * the part's first token, -1 where it is in another part; for `topK` also `k` int64 `[1]`, from 1 to `count`: ONNX
 * Runtime refuses more than there are.
 * Outputs: `summary` `[n, 5]`, see SUMMARY; for `topK` `topLogits` `[n, k]`, the largest logits, and `topTokens` int32
 * `[n, k]`, their tokens counted from the part's first: the largest first, of equal ones the lower token; for `logits`
 * `logits` `[n, count]`.
 *
 * @param unembedding `[count, dModel]`
 */
export function unembeddingGraph(
  unembedding: Float32Array,
  dModel: number,
  name: string,
  outputs: HeadOutputs,
  form: WeightForm = 'constants',
  target = CPU_TARGET,
): OnnxModel {
  const count = unembedding.length / dModel
  const g = new Graph(name, undefined, target)
  const hidden = g.input('hidden', 'float32', ['n', dModel])
  const answerLogit = g.input('answerLogit', 'float32', ['n', 1])
  const answer = g.input('answer', 'int32', ['n', 1])
  const logits = logitsOf(g, hidden, unembedding, dModel)
  const summary = g.blocks(
    Math.max(1, Math.floor(BLOCK_BYTES / (4 * count))),
    [
      { value: logits, type: 'float32' },
      { value: answerLogit, type: 'float32' },
      { value: answer, type: 'int32' },
    ],
    (block, [x, own, token]) => {
      const { max, top } = largest(block, x!, count)
      const sum = sumOf(block, block.exp(block.sub(x!, max)), count)
      const known = block.max(token!, block.int32(0))
      const here = block.op('GatherElements', [x!, known], { axis: 1 })
      const isHere = block.cast(block.equal(known, token!), 'float32')
      const above = (logit: typeof here): typeof here => block.cast(block.greater(logit, own!), 'float32')
      // The answer is not larger than itself, though this product may round its logit differently.
      const larger = block.sub(block.reduceSum(above(x!), 1), block.mul(isHere, above(here)))
      return block.concat(1, max, sum, top, block.mul(here, isHere), larger)
    },
  )
  g.output('summary', summary, 'float32', ['n', COLUMNS])
  if (outputs.topK) {
    const [topLogits, topTokens] = g.ops(2, 'TopK', [logits, g.input('k', 'int64', [1])], { axis: -1 })
    g.output('topLogits', topLogits!, 'float32', ['n', 'k'])
    g.output('topTokens', g.cast(topTokens!, 'int32'), 'int32', ['n', 'k'])
  }
  if (outputs.logits) g.output('logits', logits, 'float32', ['n', count])
  return g.build(form)
}

/** `[n, count]`. GPUs multiply with whole groups of columns: with others WebGPU's MatMul is half as fast. */
function logitsOf(g: Graph, hidden: Value, unembedding: Float32Array, dModel: number): Value {
  const count = unembedding.length / dModel
  const weight = g.constant('unembedding', unembedding, [count, dModel])
  const missing = Math.ceil(count / GROUP) * GROUP - count
  if (!g.gpu || missing === 0) return g.linear(hidden, weight)
  const padded = g.concat(
    0,
    weight,
    g.constant('zeros', new Float32Array(missing * dModel), [missing, dModel]),
  )
  return g.slice(g.linear(hidden, padded), g.ints(0), g.ints(count), 1)
}

/**
 * The largest logit of each row and the first token that has it, both float32 `[n, 1]`. ArgMax takes eight times as
 * long as ReduceMax, so it is asked for the group of tokens and then for the token in it.
 */
function largest(g: Graph, logits: Value, count: number): { max: Value; top: Value } {
  if (g.gpu) return largestOnGpu(g, logits, count)
  if (count % GROUP !== 0) return { max: g.reduceMax(logits, 1), top: g.cast(g.argMax(logits, 1), 'float32') }
  const groups = g.reshape(logits, 0, -1, GROUP) // [n, count / GROUP, GROUP]
  const best = g.squeeze(g.reduceMax(groups, 2), 2) // [n, count / GROUP]
  const group = g.argMax(best, 1) // [n, 1]
  const own = g.op('GatherND', [groups, group], { batch_dims: 1 }) // [n, GROUP]
  const token = g.add(g.mul(group, g.ints(GROUP)), g.argMax(own, 1))
  return { max: g.reduceMax(best, 1), top: g.cast(token, 'float32') }
}

/** The same for WebGPU, which has no ArgMax: the least of the tokens whose logits are not below the largest. */
function largestOnGpu(g: Graph, logits: Value, count: number): { max: Value; top: Value } {
  const max = g.reduceMax(logits, 1)
  const tokens = g.constant(
    'tokens',
    Float32Array.from({ length: count }, (_, i) => i),
  )
  return { max, top: g.reduceMin(g.where(g.less(logits, max), g.scalar(count), tokens), 1) }
}

/**
 * The sum of each row, `[n, 1]`: of groups, then of the groups. In WebAssembly terms are added one after the other, and
 * beside a term of 1 those of less than 6e-8, most of a vocabulary, would be lost.
 */
function sumOf(g: Graph, values: Value, count: number): Value {
  const whole = Math.floor(count / GROUP) * GROUP
  if (whole === 0) return g.reduceSum(values, 1)
  const grouped = (x: Value): Value =>
    g.reduceSum(g.squeeze(g.reduceSum(g.reshape(x, 0, -1, GROUP), 2), 2), 1)
  if (whole === count) return grouped(values)
  const part = (from: number, to: number): Value => g.slice(values, g.ints(from), g.ints(to), 1)
  return g.add(grouped(part(0, whole)), g.reduceSum(part(whole, count), 1))
}

/** What all parts together say of a row. */
export interface HeadAnswer {
  readonly logProb: number
  readonly rank: number
  readonly top: number
  /** The largest logit, */
  readonly max: number
  /** and log sum exp(logits - max): log p(token) = logit[token] - max - logSum. */
  readonly logSum: number
}

/**
 * What the parts' summaries say of row `i`, in float64.
 * @param summaries `[n, 5]` of each part, in order
 */
export function combine(
  parts: readonly HeadPart[],
  summaries: readonly Float32Array[],
  i: number,
  answer: number,
): HeadAnswer {
  const says = (part: number, column: keyof typeof SUMMARY): number =>
    summaries[part]![i * COLUMNS + SUMMARY[column]]!
  let best = 0
  for (let p = 1; p < parts.length; p++) if (says(p, 'max') > says(best, 'max')) best = p
  const max = says(best, 'max')
  const top = parts[best]!.first + says(best, 'top')
  let sum = 0
  let larger = 0
  let logit = Number.NaN
  parts.forEach(({ first, count }, p) => {
    sum += says(p, 'sum') * Math.exp(says(p, 'max') - max)
    larger += says(p, 'larger')
    if (answer >= first && answer < first + count) logit = says(p, 'answer')
  })
  // Logits that differ by rounding alone: the largest is the top token's, and no other is as large.
  if (top === answer) larger = 0
  else if (logit < max) larger = Math.max(1, larger)
  // Not logit - (max + log(sum)): of large logits that would lose the digits of the difference.
  const logSum = Math.log(sum)
  return { logProb: logit - max - logSum, rank: 1 + larger, top, max, logSum }
}

/** The largest logits of a part, k of each row, and their tokens, counted from the part's first. */
export interface PartTop {
  readonly k: number
  /** `[n, k]` */
  readonly logits: Float32Array
  /** `[n, k]` */
  readonly tokens: Int32Array
}

/** A token and its probability, 0 to 1. */
export interface TokenProb {
  readonly id: number
  readonly prob: number
}

/**
 * The most probable tokens of row `i`, the most probable first, of equal ones the lower id.
 * @param tops of each part, in order: `min(k, count)` tokens of each
 * @param whole what `combine` says of the row
 */
export function topTokens(
  parts: readonly HeadPart[],
  tops: readonly PartTop[],
  i: number,
  k: number,
  { max, logSum }: Pick<HeadAnswer, 'max' | 'logSum'>,
): TokenProb[] {
  return tops
    .flatMap(({ k: own, logits, tokens }, p) =>
      Array.from({ length: own }, (_, j) => ({
        id: parts[p]!.first + tokens[i * own + j]!,
        logit: logits[i * own + j]!,
      })),
    )
    .sort((a, b) => b.logit - a.logit || a.id - b.id)
    .slice(0, k)
    .map(({ id, logit }) => ({ id, prob: Math.exp(logit - max - logSum) }))
}
