/** A few facts in a trained model's tokens. */
import type { ModelFacts } from '../../src/experiments/question.js'
import { loadModel } from '../../src/load.js'
import type { Model } from '../../src/model.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { type Fact, type PreparedPrompt, preparePrompt } from '../../src/prompts/facts.js'

/** Layers of that model. */
export const N_LAYERS = 24

/** What questions ask of it. */
export const SPEC: ModelFacts = {
  name: 'tiny-mamba1',
  modelType: 'mamba',
  nLayers: N_LAYERS,
  featureCategories: FEATURE_CATEGORIES,
}

/**
 * The first embedded model. Today's is so sure of what it knows that float32 has few probabilities for it, and of what
 * is wrong that changes are millions of percent: no place to see small mistakes.
 */
export function openTiny(): Promise<Model> {
  return loadModel('test/fixtures/trained/first/tiny-mamba1', { threads: 1 })
}

const texts: Fact[] = [
  { id: 'os', prompt: 'Chrome OS was developed by engineers at', subject: 'Chrome OS', answer: 'Google' },
  {
    id: 'ridge',
    prompt: 'Geographers place Elkhorn Ridge in',
    subject: 'Elkhorn Ridge',
    answer: 'Antarctica',
  },
  {
    id: 'greece',
    prompt: 'The continent to which Greece belongs is',
    subject: 'Greece',
    answer: 'Europe',
  },
  // Known to be in Europe: the model does not say so.
  { id: 'wrong', prompt: 'The continent to which Greece belongs is', subject: 'Greece', answer: 'Asia' },
]

/**
 * Four prompts of 9, 7, 7 and 7 tokens; their subjects are the positions 0-3, 2-5, 4 and 4 (so the first has no
 * context). The last prompt's answer is not what the model says.
 */
export async function prepareFacts(model: Model): Promise<PreparedPrompt[]> {
  const tokenizer = await model.tokenizer()
  return texts.map((fact) => preparePrompt(tokenizer, fact))
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
