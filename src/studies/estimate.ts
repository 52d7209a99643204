/** What a study takes, before it starts: runs, rows, time, memory. */

import { prepareFacts } from '../datasets/prepare.js'
import { InputError, show } from '../errors.js'
import { leastMemory } from '../memory.js'
import { specNeeds } from '../models/known.js'
import type { Fact, PreparedPrompt } from '../prompts/facts.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import type { Runtime } from '../runtime/runtime.js'
import { speedOf } from '../runtime/speed.js'
import { type ModelSizes, modelHere, publishedSizes } from './model-here.js'
import { likelyPrompt } from './planned-prompt.js'
import { evaluationFactor } from './shares.js'
import { modelLabel, type Study, type StudyModel } from './study.js'
import { askedCurves, type Curve, costOf, type Work, type WorkCost } from './work.js'

/** What one model's share of a study takes. */
export interface Estimate {
  readonly model: string
  /** Windows that are wider than the model: left out. */
  readonly tooWide: readonly number[]
  /** On this machine, or known from its published configuration alone. */
  readonly here: boolean
  readonly layers: number
  /** Facts to evaluate. */
  readonly facts: number
  /** Prompts under knockouts: what there would be if the model knew every fact. */
  readonly prompts: number
  /** Knockouts, one row each in the results. */
  readonly knockouts: number
  /** Runs that are computed for them: equal ones of a prompt are one. */
  readonly runs: number
  /** Rows of the residual stream through one layer each, evaluation included. */
  readonly layerRows: number
  readonly flops: number
  /** Seconds, at the speed that this machine's matrix products have now. */
  readonly seconds: number
  /** Bytes: weights in memory, and the least that `--memory` may be. */
  readonly weights: number
  readonly least: number
}

/** Bytes of a stored knockout, measured on the demo study. */
export const BYTES_PER_ROW = 12
/**
 * Operations of a matrix product that take as long as a byte of what a row works with (`ActivationCosts.rowBytes`)
 * takes in norms, gates and states: fits 3M to 130M parameters of Mamba-1, Mamba-2 and GPT-2 within a fifth.
 */
export const FLOPS_PER_BYTE = 220
/** Prompts that the cost is judged by. */
const JUDGED = 12

interface Known {
  readonly spec: ModelSizes
  readonly tokenizer?: Tokenizer
}

/**
 * Estimate what a study takes on this machine.
 * @param facts by data set, after the study's filters
 * @throws InputError when a model is neither here nor one of the paper's
 */
export async function estimateStudy(
  study: Study,
  models: readonly StudyModel[],
  facts: ReadonlyMap<string, readonly Fact[]>,
  runtime: Runtime,
): Promise<Estimate[]> {
  const flopsPerSecond = await speedOf(runtime)
  const all = [...facts.values()].flat()
  const estimates: Estimate[] = []
  for (const model of models) {
    const { spec, tokenizer } = await known(model)
    const works = worksOf(study, model, spec, promptsOf(all, tokenizer, spec), all.length)
    const evaluation = scaled(spec, works.evaluation)
    const sweep = scaled(spec, works.sweep)
    const factor = evaluationFactor(study)
    const layerRows = evaluation.layerRows * factor + sweep.layerRows
    const flops = evaluation.flops * factor + sweep.flops
    const needs = specNeeds(spec, 0)
    estimates.push({
      model: modelLabel(model),
      tooWide: works.tooWide,
      here: tokenizer !== undefined,
      layers: spec.nLayers,
      facts: all.length,
      prompts: works.sweep.length,
      knockouts: sweep.rows,
      runs: sweep.runs,
      layerRows,
      flops,
      seconds: (flops + FLOPS_PER_BYTE * layerRows * spec.costs.rowBytes) / flopsPerSecond,
      weights: needs.memory,
      least: leastMemory(spec),
    })
  }
  return estimates
}

/** A model's sizes: from its files where they are here, else as published. */
async function known(entry: StudyModel): Promise<Known> {
  try {
    const { spec, tokenizer } = await modelHere(entry)
    return { spec, tokenizer: await tokenizer() }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    const spec = publishedSizes(entry)
    if (spec) return { spec }
    const name = entry.model
    throw new InputError(
      `${name}: to be estimated a model must be on this machine or one of the paper's (factflow models), got ${show(name)}, which is neither; check the name, or bring it here with factflow download`,
    )
  }
}

/** A sample of prompts in a model's tokens, or in as many tokens as they are likely to have. */
function promptsOf(
  facts: readonly Fact[],
  tokenizer: Tokenizer | undefined,
  spec: ModelSizes,
): PreparedPrompt[] {
  const step = Math.max(1, Math.floor(facts.length / JUDGED))
  const some = facts.filter((_, i) => i % step === 0).slice(0, JUDGED)
  if (tokenizer)
    return prepareFacts(tokenizer, some, { maxTokens: spec.maxTokens, vocabSize: spec.vocabSize }).prompts
  return some.map(likelyPrompt)
}

/** All prompts as work, each of them one of a few. */
function worksOf(
  study: Study,
  model: StudyModel,
  spec: ModelSizes,
  prompts: readonly PreparedPrompt[],
  count: number,
): { readonly evaluation: Work[]; readonly sweep: Work[]; readonly tooWide: readonly number[] } {
  const names = Array.from({ length: count }, (_, i) => String(i))
  const members = new Map(
    Object.entries(study.promptSets).map(([name, { sample, ids }]) => [
      name,
      names.slice(0, Math.min(sample ?? count, ids?.length ?? count)),
    ]),
  )
  const { asked, tooWide } = askedCurves(study, modelLabel(model), spec, members)
  const work = (name: string, curves: readonly Curve[]): Work => ({
    dataset: '',
    prompt: prompts[Number(name) % prompts.length]!,
    curves,
  })
  return {
    tooWide,
    evaluation: prompts.length === 0 ? [] : names.map((name) => work(name, [])),
    sweep: prompts.length === 0 ? [] : [...asked].map(([name, curves]) => work(name, curves)),
  }
}

/** The cost of much work, from a sample of each kind of it. */
function scaled(spec: ModelSizes, all: readonly Work[]): WorkCost {
  const kinds = new Map<number, Work[]>()
  for (const work of all) {
    const kind = kinds.get(work.curves.length)
    if (kind) kind.push(work)
    else kinds.set(work.curves.length, [work])
  }
  const total = { rows: 0, runs: 0, layerRows: 0, flops: 0 }
  for (const kind of kinds.values()) {
    const some = kind.slice(0, JUDGED)
    const cost = costOf(spec, some)
    const factor = kind.length / some.length
    total.rows += Math.round(cost.rows * factor)
    total.runs += Math.round(cost.runs * factor)
    total.layerRows += Math.round(cost.layerRows * factor)
    total.flops += cost.flops * factor
  }
  return total
}
