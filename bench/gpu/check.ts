/** Are the probabilities of a device those of the CPU? Small models of every family, and few layers of a true size. */
import { type KnockoutPrompt, Model } from '../../src/model.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { namedSize, randomModel } from '../random-model.js'
import { unitsOfWork } from '../work.js'

const decoder = {
  hidden_size: 256,
  intermediate_size: 640,
  num_hidden_layers: 6,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  vocab_size: 4000,
}
const mambaSize = { hidden_size: 256, num_hidden_layers: 6, vocab_size: 4000 }

const MODELS: Readonly<Record<string, Record<string, unknown>>> = {
  mamba: { model_type: 'mamba', ...mambaSize },
  'falcon-mamba': { model_type: 'falcon_mamba', ...mambaSize },
  mamba2: { model_type: 'mamba2', ...mambaSize, num_heads: 8, n_groups: 1, tie_word_embeddings: true },
  gpt2: { model_type: 'gpt2', n_embd: 256, n_head: 8, n_layer: 6, vocab_size: 4000 },
  llama: { model_type: 'llama', ...decoder },
  mistral: { model_type: 'mistral', ...decoder },
  qwen2: { model_type: 'qwen2', ...decoder },
  'mamba-2.8b, 2 layers': { ...namedSize('mamba-2.8b').config, num_hidden_layers: 2 },
}

export interface Difference {
  readonly model: string
  readonly knockouts: number
  /** Of the answer's probability, absolute, */
  readonly largest: number
  /** and of its logarithm. */
  readonly largestLog: number
  /** Top tokens that differ. */
  readonly otherTops: number
}

/** Compare a runtime with the CPU, answers being the CPU's top tokens. */
export async function differences(runtime: Runtime): Promise<Difference[]> {
  const found: Difference[] = []
  for (const [name, config] of Object.entries(MODELS)) {
    const results = []
    let work: KnockoutPrompt[] = []
    for (const on of [nodeRuntime({ threads: 1 }), runtime]) {
      const model = Model.open(randomModel(config), on)
      if (work.length === 0) {
        const asked = unitsOfWork(model.spec, 4)
        const plain = await model.knockout(asked.map((prompt) => ({ ...prompt, knockouts: [] })))
        // Every second prompt has targets from its middle on: graphs for suffixes.
        work = asked.map((prompt, i) => ({
          ...prompt,
          answer: plain[i]!.base.top,
          knockouts: prompt.knockouts.map((knockout) =>
            i % 2 === 0 ? knockout : { ...knockout, targets: [7, 9, 11] },
          ),
        }))
      }
      results.push((await model.knockout(work)).flatMap(({ base, knockouts }) => [base, ...knockouts]))
      await model.close()
    }
    const [cpu, device] = results as [(typeof results)[0], (typeof results)[0]]
    const largest = (of: (i: number) => number): number =>
      cpu.reduce((most, _, i) => Math.max(most, Number.isNaN(of(i)) ? Number.POSITIVE_INFINITY : of(i)), 0)
    found.push({
      model: name,
      knockouts: cpu.length,
      largest: largest((i) => Math.abs(cpu[i]!.prob - device[i]!.prob)),
      largestLog: largest((i) => Math.abs(cpu[i]!.logProb - device[i]!.logProb)),
      otherTops: cpu.filter(({ top }, i) => top !== device[i]!.top).length,
    })
  }
  return found
}
