import { describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.js'
import { windowLayers } from '../src/knockout/knockout.js'
import { type KnockoutResult, Model } from '../src/model.js'
import type { Runtime } from '../src/runtime/runtime.js'
import { referenceCheckpoint } from './helpers/checkpoint.js'
import { maxDifference } from './helpers/numbers.js'
import { runtime } from './knockout/sweep-helpers.js'
import { randomMamba } from './reference/random.js'

/** Absolute, on probabilities: matrix products of other heights add float32 terms in another order. */
const BATCH_TOLERANCE = 2e-6

const MIB = 2 ** 20

/** The answers' probabilities, base and knocked, prompt by prompt. */
function probsOf(results: readonly KnockoutResult[]): number[] {
  return results.flatMap(({ base, knockouts }) => [base, ...knockouts]).map(({ prob }) => prob)
}

describe('--memory', () => {
  /** What the error asks for, in bytes. */
  function asked(error: unknown, rule: RegExp): number {
    expect(error).toBeInstanceOf(InputError)
    const { message } = error as InputError
    const found =
      /^--memory: (.+) ([\d.]+) ([kMG]B) are needed, got ([\d.]+) ([kMG]B); give more memory$/.exec(message)
    expect(found, message).not.toBeNull()
    expect(found![1]).toMatch(rule)
    const bytes = (number: string, unit: string): number =>
      Number(number) * { kB: 1e3, MB: 1e6, GB: 1e9 }[unit]!
    expect(bytes(found![2], found![3])).toBeGreaterThan(bytes(found![4], found![5]))
    return bytes(found![2], found![3])
  }

  function failure(run: () => unknown): unknown {
    try {
      run()
    } catch (error) {
      return error
    }
    throw new Error('no error was thrown')
  }

  it('must hold one layer; what the error asks for is enough to open the model', () => {
    const small = { nLayers: 3, dModel: 12, dState: 4, dtRank: 2, convKernel: 3, vocabSize: 20 }
    const checkpoint = referenceCheckpoint(randomMamba(5, small))
    const error = failure(() => Model.open(checkpoint, runtime, 1000))
    const need = asked(error, /^to load reference, at least$/)
    expect(Model.open(checkpoint, runtime, need).memory).toBe(need)
  })

  it('must hold each prompt alone; what the error asks for is enough, and splits the work', async () => {
    // Rows wide enough that a long prompt with all of its runs is more than the error rounds up by.
    const wide = { nLayers: 1, dModel: 256, dState: 2, dtRank: 2, convKernel: 2, vocabSize: 20 }
    const checkpoint = referenceCheckpoint(randomMamba(6, wide))
    const length = 400
    const ids = Array.from({ length }, (_, i) => i % 20)
    const cut = (sources: number[], target: number) => ({
      layers: [0],
      sources,
      targets: [target, length - 1],
      features: 'all' as const,
    })
    const runs = Array.from({ length: 100 }, (_, source) => cut([source], length - 1))
    const long = [2, 3].map((answer) => ({ ids, answer, knockouts: [cut([3], length - 9), ...runs] }))
    const prompts = [{ ids: [19], answer: 0, knockouts: [] }, ...long]
    const least = asked(
      failure(() => Model.open(checkpoint, runtime, MIB)),
      /^to load reference, at least$/,
    )
    const small = Model.open(checkpoint, runtime, least)
    const need = asked(
      failure(() => small.plan(prompts)),
      /^for a prompt of 400 tokens$/,
    )
    await expect(small.knockout(prompts)).rejects.toThrow(InputError)
    const enough = Model.open(checkpoint, runtime, need)
    const ample = Model.open(checkpoint, runtime, 1024 * MIB)
    expect(enough.plan(prompts).batches.length).toBeGreaterThan(ample.plan(prompts).batches.length)
    const [a, b] = [await enough.knockout(prompts), await ample.knockout(prompts)]
    expect(maxDifference(probsOf(a), probsOf(b))).toBeLessThanOrEqual(BATCH_TOLERANCE)
    for (const model of [small, enough, ample]) await model.close()
  })

  it('may be less than all layers: then they are loaded in turn, once for all batches', async () => {
    const N_LAYERS = 24
    // Layers of 1.2 MiB that share their tensors, as only their size matters.
    const { config, tensors } = randomMamba(1, {
      nLayers: 1,
      dModel: 400,
      dInner: 256,
      dState: 2,
      dtRank: 2,
      convKernel: 4,
      vocabSize: 16,
    })
    const layers = Array.from({ length: N_LAYERS }, (_, layer) =>
      [...tensors].map(([name, tensor]) => [name.replace('.0.', `.${layer}.`), tensor] as const),
    )
    const checkpoint = referenceCheckpoint({
      config: { ...config, nLayers: N_LAYERS },
      tensors: new Map(layers.flat()),
    })
    // More rows than a batch has.
    const prompts = Array.from({ length: 40 }, (_, p) => ({
      ids: [p % 16, 3, 14, 5, 1],
      answer: p % 16,
      knockouts: [0, 1, 2, 3].map((source) => ({
        layers: windowLayers(source, 9),
        sources: [source],
        targets: [4],
        features: 'all' as const,
      })),
    }))
    // With other targets, too: their layers are other graphs.
    const mixed = prompts.map(({ knockouts, ...prompt }) => ({
      ...prompt,
      knockouts: [...knockouts, { ...knockouts[1], targets: [2, 4] }],
    }))
    let created = 0
    const counting: Runtime = {
      ...runtime,
      createSession: (graph) => {
        created++
        return runtime.createSession(graph)
      },
    }
    const resident = Model.open(checkpoint, runtime, 1024 * MIB)
    const wanted = await resident.knockout(mixed)
    await resident.close()
    const streamed = Model.open(checkpoint, counting, 18 * MIB)
    expect(streamed.plan(prompts).batches.length).toBeGreaterThan(1)
    const results = await streamed.knockout(prompts)
    expect(created).toBe(N_LAYERS + 2) // with the final norm and the unembedding
    created = 0
    expect(await streamed.knockout(prompts)).toEqual(results)
    // Those that fit were still there.
    expect(created).toBeGreaterThan(0)
    expect(created).toBeLessThan(N_LAYERS)
    const found = await streamed.knockout(mixed)
    await streamed.close()
    expect(maxDifference(probsOf(found), probsOf(wanted))).toBeLessThanOrEqual(BATCH_TOLERANCE)
    const withoutMixed = wanted.map(({ base, knockouts }) => ({ base, knockouts: knockouts.slice(0, -1) }))
    expect(maxDifference(probsOf(results), probsOf(withoutMixed))).toBeLessThanOrEqual(BATCH_TOLERANCE)
  })
})
