/**
 * The plan of a sweep: which runs a list of knockouts needs, what they share, and how they are batched.
 *
 * 1. Only edges (target, source) with source <= target exist. Targets without such a source and sources without such
 *    a target are dropped; a knockout that cuts no edge equals the baseline.
 * 2. Equal knockouts of a prompt are one run.
 * 3. A run needs no layer before its first knocked one, and no position before its first target: it is the suffix of
 *    L tokens from there. Runs are grouped by L.
 * 4. Runs of a prompt that keep the same tokens of the context (the tokens before the suffix) for the same feature
 *    category share one kept set, whatever their layers.
 * 5. Prompts of like length are batched, with all their runs, up to a number of rows and bytes.
 */
import {
  FEATURE_CATEGORIES,
  type FeatureCategory,
  type LayerKind,
  type ModelCosts,
} from '../models/architecture.js'
import type { Knockout } from './knockout.js'

/** One prompt of a sweep. */
export interface PlanPrompt {
  readonly ids: readonly number[]
  readonly knockouts: readonly Knockout[]
}

/** One run: a prompt's suffix under a knockout. */
export interface Run {
  /** Number of the prompt. */
  readonly prompt: number
  /** Numbers of the prompt's knockouts that this run answers. */
  readonly answers: number[]
  readonly layers: ReadonlySet<number>
  readonly firstLayer: number
  /** Position of the suffix's first token: the knockout's first target. */
  readonly start: number
  readonly features: FeatureCategory
  /** 1 where a token of the context is kept, `[start]`. */
  readonly keep: readonly number[]
  /** 1 where a token of the suffix is kept as a source, `[L]`. */
  readonly suffixKeep: readonly number[]
  /** 1 where a token of the suffix is a target, `[L]`. */
  readonly suffixTarget: readonly number[]
}

/** A prompt in a batch, with some or all of its runs, all of one suffix length. */
export interface BatchPrompt {
  readonly prompt: number
  readonly ids: readonly number[]
  readonly start: number
  readonly runs: readonly Run[]
  /** Kept sets; the first keeps everything. */
  readonly sets: readonly KeptSet[]
  /** The kept set of each run in its knocked layers. */
  readonly runSets: readonly number[]
}

export interface KeptSet {
  readonly keep: readonly number[]
  readonly features: FeatureCategory
}

export interface Batch {
  readonly kind: LayerKind
  /** Suffix length L of every run. */
  readonly suffix: number
  /** Tokens T to which prompts are padded. */
  readonly tokens: number
  /** M: the largest number of kept sets of a prompt. */
  readonly setsPerPrompt: number
  readonly prompts: readonly BatchPrompt[]
}

export interface PlanLimits {
  /**
   * Rows, of prompts and runs, that a batch should have. A batch of one prompt may have more: `runRowsPerToken`, and
   * one run in any case.
   */
  readonly rows: number
  /**
   * Rows of runs that a batch of one prompt may have for each of its tokens: every part of its runs needs the whole
   * baseline, which so is a small share of a long prompt's rows.
   */
  readonly runRowsPerToken: number
  /** Bytes that a batch may need inside a layer. */
  readonly bytes: number
}

export interface Plan {
  /** Distinct runs; knockouts minus duplicates minus those without effect. */
  readonly runs: number
  /** Batches, those of equal kind and suffix length together. */
  readonly batches: readonly Batch[]
  /** For each prompt, the numbers of knockouts that cut nothing and so equal the baseline. */
  readonly unchanged: readonly (readonly number[])[]
}

/** Distinct values in rising order. */
function sorted(values: Iterable<number>): number[] {
  return Array.from(new Set(values)).sort((a, b) => a - b)
}

/** A knockout's run, or undefined when it cuts no edge. Its `answers` are empty. */
export function runOf(prompt: number, length: number, knockout: Knockout): Run | undefined {
  const firstSource = Math.min(...knockout.sources)
  const targets = sorted(knockout.targets).filter((target) => target >= firstSource)
  const layers = sorted(knockout.layers)
  if (targets.length === 0 || layers.length === 0) return undefined
  const start = targets[0]!
  const suffix = length - start
  // Filled and then changed: a heatmap has thousands of runs, a long prompt hundreds of tokens.
  const keep = new Array<number>(start).fill(1)
  const suffixKeep = new Array<number>(suffix).fill(1)
  const suffixTarget = new Array<number>(suffix).fill(0)
  for (const source of knockout.sources) {
    if (source < start) keep[source] = 0
    else if (source <= targets.at(-1)!) suffixKeep[source - start] = 0
  }
  for (const target of targets) suffixTarget[target - start] = 1
  return {
    prompt,
    answers: [],
    layers: new Set(layers),
    firstLayer: layers[0]!,
    start,
    features: knockout.features,
    keep,
    suffixKeep,
    suffixTarget,
  }
}

/** 0s and 1s in few letters: the first, and where they change. */
function flagsKey(flags: readonly number[]): string {
  let key = `${flags[0]}`
  for (let i = 1; i < flags.length; i++) if (flags[i] !== flags[i - 1]) key += ` ${i}`
  return key
}

function runKey({ layers, start, suffixKeep, suffixTarget, ...set }: Run): string {
  return [Array.from(layers), start, setKey(set), flagsKey(suffixKeep), flagsKey(suffixTarget)].join('|')
}

/** The distinct runs of a prompt, and the knockouts that need none. */
function runsOf(prompt: number, { ids, knockouts }: PlanPrompt): { runs: Run[]; unchanged: number[] } {
  const runs = new Map<string, Run>()
  const unchanged: number[] = []
  knockouts.forEach((knockout, i) => {
    const run = runOf(prompt, ids.length, knockout)
    if (!run) {
      unchanged.push(i)
      return
    }
    const key = runKey(run)
    if (!runs.has(key)) runs.set(key, run)
    runs.get(key)!.answers.push(i)
  })
  return { runs: Array.from(runs.values()), unchanged }
}

/** The kept sets of runs of one prompt, and which one each run uses. */
function keptSets(start: number, runs: readonly Run[]): { sets: KeptSet[]; runSets: number[] } {
  const all: KeptSet = { keep: new Array<number>(start).fill(1), features: FEATURE_CATEGORIES[0] }
  const sets = [all]
  const numbers = new Map([[setKey(all), 0]])
  const runSets = runs.map((run) => {
    const key = setKey(run)
    let number = numbers.get(key)
    if (number === undefined) {
      number = sets.push({ keep: run.keep, features: run.features }) - 1
      numbers.set(key, number)
    }
    return number
  })
  return { sets, runSets }
}

function setKey(set: KeptSet): string {
  return `${set.features}|${flagsKey(set.keep)}`
}

/** Tokens that may come before a suffix; layers look at no fewer than one, which may be cut (see `LayerRows`). */
function contextTokens(tokens: number, suffix: number): number {
  return Math.max(1, tokens - suffix)
}

/** Bytes that a layer needs for prompts of at most `tokens` tokens, each with runs of `suffix` tokens and kept sets. */
export function batchBytes(
  costs: ModelCosts,
  tokens: number,
  suffix: number,
  prompts: readonly { readonly runs: readonly unknown[]; readonly sets: readonly unknown[] }[],
): number {
  const sets = Math.max(...prompts.map((prompt) => prompt.sets.length))
  const runs = prompts.reduce((sum, prompt) => sum + prompt.runs.length, 0)
  const context = contextTokens(tokens, suffix)
  // The tokens of prompts, or of runs' suffixes: their rows, and their pairs.
  const sequences = (count: number, length: number): number =>
    count * length * costs.rowBytes + pairs(count, length) * costs.pairBytes
  const pairs = (count: number, length: number): number =>
    length > costs.pairTokens ? costs.pairTokens ** 2 : count * length ** 2
  return (
    costs.fixedBytes +
    context * costs.contextTokenBytes +
    (tokens > costs.pairTokens ? costs.partBytes : 0) +
    sequences(prompts.length, tokens) +
    sequences(runs, suffix) +
    prompts.length * (costs.promptBytes + sets * costs.setBytes) +
    runs * suffix * prompts.length * context * costs.crossBytes
  )
}

/** Rows of prompts of at most `tokens` tokens, each with runs of `suffix` tokens. */
function batchRows(
  tokens: number,
  suffix: number,
  prompts: readonly { readonly runs: readonly unknown[] }[],
): number {
  return prompts.reduce((sum, { runs }) => sum + tokens + runs.length * suffix, 0)
}

/** One prompt with runs of one suffix length, before it is put in a batch. */
interface Item {
  readonly prompt: number
  readonly suffix: number
  readonly runs: readonly Run[]
}

/**
 * Plan the sweep over `prompts`. Every prompt is in at least one batch, for its baseline.
 * Knockouts have passed `checkKnockout`.
 */
export function planSweep(prompts: readonly PlanPrompt[], costs: ModelCosts, limits: PlanLimits): Plan {
  const items: Item[] = []
  const unchanged: number[][] = []
  let count = 0
  prompts.forEach((prompt, p) => {
    const found = runsOf(p, prompt)
    unchanged.push(found.unchanged)
    count += found.runs.length
    const groups = new Map<number, Run[]>()
    for (const run of found.runs) {
      const suffix = prompt.ids.length - run.start
      const group = groups.get(suffix)
      if (group) group.push(run)
      else groups.set(suffix, [run])
    }
    if (groups.size === 0) groups.set(1, [])
    for (const [suffix, runs] of groups) {
      for (const part of parts(prompt.ids.length, suffix, runs, costs, limits))
        items.push({ prompt: p, suffix, runs: part })
    }
  })
  const length = (item: Item): number => prompts[item.prompt]!.ids.length
  items.sort((a, b) => a.suffix - b.suffix || length(a) - length(b) || a.prompt - b.prompt)
  return { runs: count, batches: batches(items, prompts, costs, limits), unchanged }
}

/**
 * Runs of one prompt, in rising order of first layer, cut into as few equal parts (so that none is left with a few
 * rows) as fit the limits alone.
 */
function parts(
  tokens: number,
  suffix: number,
  runs: readonly Run[],
  costs: ModelCosts,
  limits: PlanLimits,
): Run[][] {
  const ordered = [...runs].sort((a, b) => a.firstLayer - b.firstLayer)
  const fits = (part: readonly Run[]): boolean =>
    batchRows(tokens, suffix, [{ runs: part }]) <=
      Math.max(limits.rows, tokens * (1 + limits.runRowsPerToken)) &&
    batchBytes(costs, tokens, suffix, [{ runs: part, sets: keptSets(tokens - suffix, part).sets }]) <=
      limits.bytes
  for (let count = 1; ; count++) {
    const cut = Array.from({ length: count }, (_, i) =>
      ordered.slice(Math.floor((i * ordered.length) / count), Math.floor(((i + 1) * ordered.length) / count)),
    )
    if (count >= ordered.length || cut.every(fits)) return cut
  }
}

function kindOf(suffix: number): LayerKind {
  return suffix === 1 ? 'last' : 'suffix'
}

function batches(
  items: readonly Item[],
  prompts: readonly PlanPrompt[],
  costs: ModelCosts,
  limits: PlanLimits,
): Batch[] {
  const done: Batch[] = []
  let open: BatchPrompt[] = []
  let suffix = 0
  const close = (): void => {
    if (open.length === 0) return
    const tokens = Math.max(...open.map((p) => p.ids.length))
    const setsPerPrompt = Math.max(...open.map((p) => p.sets.length))
    done.push({ kind: kindOf(suffix), suffix, tokens, setsPerPrompt, prompts: open })
    open = []
  }
  for (const item of items) {
    const ids = prompts[item.prompt]!.ids
    const start = ids.length - item.suffix
    const next = { prompt: item.prompt, ids, start, runs: item.runs, ...keptSets(start, item.runs) }
    const together = [...open, next]
    const fits =
      item.suffix === suffix &&
      batchRows(ids.length, suffix, together) <= limits.rows &&
      batchBytes(costs, ids.length, suffix, together) <= limits.bytes
    if (!fits) close()
    suffix = item.suffix
    open.push(next)
  }
  close()
  return done
}
