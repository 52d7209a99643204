/** A run folder with made-up results: two models, two windows, two prompt sets, values from a formula. */
import type { EvaluationRow, KnockoutRow } from '../../src/results/rows.js'
import { RunFolder } from '../../src/results/run-folder.js'

export const PROMPTS = ['a', 'b', 'c', 'd']
export const MODELS = { deep: 24, flat: 6 }
const DEFAULT = { deep: 9, flat: 2 }

/** The relative change of a prompt, percent. */
export function change(
  model: string,
  source: string,
  features: string,
  first: number,
  prompt: string,
): number {
  const base = { subject: -40, last: -10 }[source]!
  const kept = { all: 1, 'context-dependent': 0.75, 'context-independent': 0.25 }[features]!
  const spread = PROMPTS.indexOf(prompt)
  return base * kept + first * (model === 'deep' ? 1 : 2) + spread * spread
}

export async function storeSample(dir: string): Promise<void> {
  const folder = await RunFolder.at(dir, '1.0.0')
  const rows: KnockoutRow[] = []
  for (const [model, layers] of Object.entries(MODELS)) {
    const deep = model === 'deep'
    folder.file.models[model] = {
      source: `x/${model}`,
      modelType: deep ? 'mamba' : 'gpt2',
      family: deep ? 'Mamba-1' : 'GPT-2',
      layers,
      parameters: layers,
      featureCategories: deep ? ['all', 'context-dependent', 'context-independent'] : ['all'],
    }
    for (const window of [1, DEFAULT[model as 'deep' | 'flat']]) {
      for (const source of ['subject', 'last'] as const) {
        for (const features of deep && source === 'subject'
          ? (['all', 'context-dependent', 'context-independent'] as const)
          : (['all'] as const)) {
          for (let first = 0; first <= layers - window; first++) {
            for (const prompt of PROMPTS) {
              const relative = change(model, source, features, first, prompt)
              rows.push({
                ...{
                  model,
                  dataset: 'd',
                  prompt_id: prompt,
                  first_layer: first,
                  window,
                  source,
                  position: null,
                },
                ...{ target: 'last', features, base_prob: 0.5, prob: 0.5 * (1 + relative / 100) },
                ...{ rank: 1, top_token: 0, hit: PROMPTS.indexOf(prompt) < 3, relative_change: relative },
              })
            }
          }
        }
      }
    }
    // A heatmap of three tokens, which curves must leave out.
    for (const position of [0, 1, 2]) {
      for (let first = 0; first < layers; first++) {
        rows.push({
          ...{
            model,
            dataset: 'd',
            prompt_id: 'b',
            first_layer: first,
            window: 1,
            source: 'token',
            position,
          },
          ...{ target: 'last', features: 'all', base_prob: 0.5, prob: 0.1 * position, rank: 1, top_token: 0 },
          ...{ hit: true, relative_change: 100 * (0.2 * position - 1) },
        })
      }
    }
  }
  folder.file.datasets.d = { source: 'd.jsonl', facts: 4, unusable: 0 }
  await folder.save()
  await folder.write('knockouts', 'a', rows)
  const sets = { correct: PROMPTS, 'all-correct': PROMPTS.slice(0, 2) }
  await folder.write(
    'prompt_sets',
    'all',
    Object.entries(sets).flatMap(([prompt_set, ids]) =>
      Object.keys(MODELS).flatMap((model) =>
        ids.map((prompt_id) => ({ prompt_set, model, dataset: 'd', prompt_id })),
      ),
    ),
  )
  folder.close()
}

const RELATIONS: Record<string, string | null> = { a: 'capital', b: 'capital', c: 'currency', d: null }

/** What the models say without a knockout: `deep` knows all facts, `flat` b and c. */
export const EVALUATIONS: readonly EvaluationRow[] = Object.keys(MODELS).flatMap((model) =>
  PROMPTS.map((id) => ({
    ...{ model, dataset: 'd', prompt_id: id, prompt: `Tell me of ${id}: it is`, subject: id },
    ...{ answer: ` ${id}x`, relation: RELATIONS[id]!, split: null, tokens: [], subject_tokens: [3] },
    ...{ answer_tokens: [id], prob: 0.5, rank: 1, hit: model === 'deep' || 'bc'.includes(id) },
    ...{ top: [{ id: 1, text: id, prob: 0.5 }], continuation: null },
  })),
)
