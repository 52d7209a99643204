/** What a Mamba-1 layer does besides matrix products: ways to write its passes over `[rows, N, D]`. */
import { type Graph, type GraphTarget, MICROSOFT, type Value } from '../../src/onnx/graph.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { timed } from './measure.js'

export interface StateTime {
  readonly form: string
  readonly ms: number
  /** Time as a multiple of that of writing `[rows, N, D]` once. */
  readonly passes: number
}

interface Sizes {
  readonly rows: number
  readonly dInner: number
  readonly dState: number
  /** Kept sets. */
  readonly sets: number
}

type Inputs = Readonly<Record<string, Value>>

/** exp(delta A), `[R, N, D]`, from A^T: in two passes, */
const twoPasses = (g: Graph, { delta, a }: Inputs): Value => g.exp(g.mul(g.unsqueeze(delta!, 1), a!))
/** or in one, as a power of exp(A). */
const asPower = (g: Graph, { delta, a }: Inputs): Value => g.op('Pow', [g.exp(a!), g.unsqueeze(delta!, 1)])

const product = (g: Graph, { c }: Inputs, decay: Value, state: Value): Value =>
  g.matMul(g.unsqueeze(c!, 1), g.mul(decay, state))
const reduced = (g: Graph, { c }: Inputs, decay: Value, state: Value): Value =>
  g.reduceSum(g.mul(g.mul(decay, state), g.unsqueeze(c!, 2)), 1)
const einsum = (g: Graph, { c }: Inputs, decay: Value, state: Value): Value =>
  g.op('Einsum', [decay, state, c!], { equation: 'rnd,rnd,rn->rd' })

/** The last token of runs, `C^T (exp(delta A) * S)`, in several ways; and the baseline's recurrence. */
export async function stateTimes(
  runtime: Runtime,
  target: GraphTarget,
  { rows, dInner, dState, sets }: Sizes,
  forms: readonly string[],
): Promise<StateTime[]> {
  const set = Int32Array.from({ length: rows }, (_, i) => (i * 31) % sets)
  const inputs = {
    delta: [rows, dInner],
    a: [dState, dInner],
    c: [rows, dState],
    states: [sets, dState, dInner],
  }
  const gathered = (g: Graph, { states }: Inputs): Value => g.gather(states!, g.constant('set', set))
  const closed =
    (decay: typeof twoPasses, contract: typeof product) =>
    (g: Graph, x: Inputs): Value =>
      contract(g, x, decay(g, x), gathered(g, x))
  const recurrence = (g: Graph, { delta, a, c, states }: Inputs): Value => {
    const decay = g.mul(g.unsqueeze(delta!, 2), g.transpose(a!, 1, 0))
    const past = g.gather(g.unsqueeze(g.transpose(states!, 0, 2, 1), 3), g.constant('set', set))
    const token = (x: Value, width: number): Value => g.reshape(x, rows, 1, width)
    return g.ops(
      2,
      'LinearAttention',
      [token(c!, dState), token(c!, dState), token(delta!, dInner), past, token(decay, dInner * dState)],
      { update_rule: 'gated', scale: { float: 1 }, q_num_heads: 1, kv_num_heads: dInner },
      MICROSOFT,
    )[0]!
  }
  const all: Readonly<Record<string, (g: Graph, x: Inputs) => Value>> = {
    write: (g, { delta, a }) => g.mul(g.unsqueeze(delta!, 1), a!),
    'exp, product': closed(twoPasses, product),
    'exp, sum': closed(twoPasses, reduced),
    'exp, einsum': closed(twoPasses, einsum),
    'power, product': closed(asPower, product),
    'power, einsum': closed(asPower, einsum),
    'linear attention': recurrence,
  }
  const times: StateTime[] = []
  for (const form of ['write', ...forms]) {
    const ms = await timed(runtime, target, inputs, all[form]!, 2)
    times.push({ form, ms, passes: ms / (times[0]?.ms ?? ms) })
  }
  return times
}

/** LinearAttention over whole prompts: the baseline. */
export async function baselineTime(
  runtime: Runtime,
  target: GraphTarget,
  prompts: number,
  tokens: number,
  { dInner, dState }: Pick<Sizes, 'dInner' | 'dState'>,
): Promise<number> {
  const inputs = {
    delta: [prompts, tokens, dInner],
    a: [dInner, dState],
    c: [prompts, tokens, dState],
  }
  const ms = await timed(
    runtime,
    target,
    inputs,
    (g, { delta, a, c }) => {
      const decay = g.reshape(g.mul(g.unsqueeze(delta!, 3), a!), 0, 0, dInner * dState)
      const attributes = { update_rule: 'gated', scale: { float: 1 }, q_num_heads: 1, kv_num_heads: dInner }
      return g.ops(2, 'LinearAttention', [c!, c!, delta!, undefined, decay], attributes, MICROSOFT)[0]!
    },
    2,
  )
  return ms
}
