/** The end of the sweep: what the head says of the rows that are asked about. */
import { Tensor } from 'onnxruntime-common'
import { InputError } from '../errors.js'
import type { ModelSpec } from '../models/architecture.js'
import { combine, type PartTop, type TokenProb, topTokens } from '../models/head.js'
import { freeTensors, type Session, type Tensors } from '../runtime/runtime.js'
import type { Pass } from './sessions.js'

/** What a model says at a prompt's last position. */
export interface Prediction {
  /** Natural logarithm of the answer's probability; NaN when no answer was asked about. */
  readonly logProb: number
  /** The answer's probability, 0 to 1. */
  readonly prob: number
  /** 1 + number of tokens that are more probable than the answer. */
  readonly rank: number
  /** The most probable token. */
  readonly top: number
  /** The most probable tokens, `top` first, of equal ones the lower id, when asked for. */
  readonly topK?: readonly TokenProb[]
  /** The whole next-token distribution, `[vocabSize]`, when asked for. */
  readonly probs?: Float32Array
}

/** A row of a batch, base rows first and then run rows, and the token asked about. */
export interface HeadQuestion {
  readonly row: number
  readonly answer: number | undefined
}

/** A batch that has been through the layers. */
export interface Arrived {
  /** `[B * T, dModel]` */
  readonly base: Tensor
  /** `[R * L, dModel]` */
  readonly runs: Tensor
  readonly questions: readonly HeadQuestion[]
}

export interface HeadOptions {
  /** Give whole distributions back. */
  readonly probs: boolean
  /** How many of the most probable tokens to give back, at most the whole vocabulary; default none. */
  readonly topK?: number
  /** Rows that the head handles at once. */
  readonly headRows: number
  readonly signal?: AbortSignal
}

/** Some rows on their way through the head: few enough that their logits stay small. */
interface Piece {
  readonly questions: readonly HeadQuestion[]
  /** Outputs of the final norm. */
  readonly normed: Tensors
  /** Outputs of the parts of the unembedding that are done. */
  readonly summaries: Float32Array[]
  readonly tops: PartTop[]
  readonly logits: Float32Array[]
}

/**
 * The answers to the questions of a batch.
 * @throws InputError when a logit is not a number; the signal's reason when aborted
 */
export async function askHead(
  spec: ModelSpec,
  pass: Pass,
  batch: Arrived,
  options: HeadOptions,
): Promise<Prediction[]> {
  const { topK = 0 } = options
  const fetches = [
    'summary',
    ...(topK > 0 ? ['topLogits', 'topTokens'] : []),
    ...(options.probs ? ['logits'] : []),
  ]
  const pieces = await pass.withFinalNorm((session) => norm(spec, session, batch, options.headRows))
  freeTensors(batch.base, batch.runs)
  for (const [p, part] of spec.headParts.entries()) {
    const k = Math.min(topK, part.count)
    await pass.withHeadPart(p, async (session) => {
      for (const piece of pieces) {
        options.signal?.throwIfAborted()
        const answer = Int32Array.from(piece.questions, (question) => {
          const token = (question.answer ?? 0) - part.first
          return token >= 0 && token < part.count ? token : -1
        })
        const feeds = {
          ...piece.normed,
          answer: new Tensor('int32', answer, [answer.length, 1]),
          ...(k > 0 && { k: new Tensor('int64', BigInt64Array.of(BigInt(k)), [1]) }),
        }
        const out = await session.run(feeds, fetches)
        piece.summaries.push(out.summary!.data as Float32Array)
        if (k > 0) {
          const logits = out.topLogits!.data as Float32Array
          piece.tops.push({ k, logits, tokens: out.topTokens!.data as Int32Array })
        }
        if (options.probs) piece.logits.push(out.logits!.data as Float32Array)
      }
    })
  }
  for (const { normed } of pieces) freeTensors(...Object.values(normed))
  return pieces.flatMap((piece) => predictions(spec, piece, options))
}

/** The final norm of a batch's rows, in pieces. */
async function norm(
  spec: ModelSpec,
  session: Session,
  { base, runs, questions }: Arrived,
  headRows: number,
): Promise<Piece[]> {
  const size = Math.ceil(questions.length / Math.ceil(questions.length / headRows))
  const pieces: Piece[] = []
  for (let from = 0; from < questions.length; from += size) {
    const some = questions.slice(from, from + size)
    const rows = Int32Array.from(some, ({ row }) => row)
    const unembedded = await spec.unembed(some.map(({ answer }) => answer ?? 0))
    const normed = await session.run(
      {
        base,
        runs,
        rows: new Tensor('int32', rows, [rows.length]),
        answers: new Tensor('float32', unembedded, [rows.length, spec.dModel]),
      },
      ['hidden', 'answerLogit'],
    )
    pieces.push({ questions: some, normed, summaries: [], tops: [], logits: [] })
  }
  return pieces
}

function predictions(
  spec: ModelSpec,
  { questions, summaries, tops, logits }: Piece,
  { probs, topK = 0 }: HeadOptions,
): Prediction[] {
  return questions.map(({ answer }, i) => {
    const whole = combine(spec.headParts, summaries, i, answer ?? 0)
    const { logProb, rank, top } = whole
    if (Number.isNaN(logProb)) {
      throw new InputError(
        `${spec.name}: the model must give finite logits, got NaN; its weights are damaged, download them again`,
      )
    }
    const known = answer !== undefined
    return {
      logProb: known ? logProb : Number.NaN,
      prob: known ? Math.exp(logProb) : Number.NaN,
      rank: known ? rank : Number.NaN,
      top,
      ...(topK > 0 && { topK: topTokens(spec.headParts, tops, i, topK, whole) }),
      ...(probs && { probs: softmax(logits, i, spec) }),
    }
  })
}

/** The distribution of row `i`, summed in float64: a float32 logarithm of the sum loses digits of large logits. */
function softmax(
  logits: readonly Float32Array[],
  i: number,
  { headParts, vocabSize }: ModelSpec,
): Float32Array {
  const row = new Float32Array(vocabSize)
  headParts.forEach(({ first, count }, p) => {
    row.set(logits[p]!.subarray(i * count, (i + 1) * count), first)
  })
  const max = row.reduce((a, b) => Math.max(a, b))
  const sum = row.reduce((total, logit) => total + Math.exp(logit - max), 0)
  return row.map((logit) => Math.exp(logit - max) / sum)
}
