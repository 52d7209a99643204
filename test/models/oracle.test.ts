/**
 * Parity with answers that are not ours, through the public interface: every oracle and variant, the trained models on
 * real prompts, and the two layouts of a Mamba.
 */
import { basename } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openFolder } from '../../src/checkpoints/folder.js'
import { windowLayers, windowStarts } from '../../src/knockout/knockout.js'
import { loadModel } from '../../src/load.js'
import { type KnockoutResult, Model } from '../../src/model.js'
import { ARCHITECTURES } from '../../src/models/registry.js'
import { preparePrompt } from '../../src/prompts/facts.js'
import { type Role, rolePositions } from '../../src/prompts/roles.js'
import { runtime } from '../helpers/graph.js'
import { maxDifference } from '../helpers/numbers.js'
import { type Features, type Oracle, oracles, trainedOracles } from '../helpers/oracle.js'

/** Absolute, on probabilities: two float32 computations of 5 layers, and the oracle's 7 or 8 printed digits. */
const ORACLE_TOLERANCE = 5e-6
/** Relative, on probabilities down to 1e-3: two float32 computations of 16 to 24 layers; the oracle is float32, too. */
const TRAINED_TOLERANCE = 2e-4

const ORACLES = oracles('oracle')
const VARIANTS = oracles('variants')
const TRAINED = [...trainedOracles('first'), ...trainedOracles('embedded')]

/** Whole distributions for all cases of an oracle, on the checkpoint in `dir`. */
async function answers(dir: string, { cases }: Oracle): Promise<KnockoutResult[]> {
  const model = Model.open(await openFolder(dir), runtime)
  try {
    const prompts = cases.map(({ tokens, knockouts }) => ({ ids: tokens, knockouts }))
    return await model.knockout(prompts, { probs: true })
  } finally {
    await model.close()
  }
}

describe('parity', () => {
  it.each([...ORACLES, ...VARIANTS].map((oracle) => [oracle.name, oracle] as const))(
    '%s',
    async (_, oracle) => {
      const results = await answers(oracle.dir, oracle)
      let effect = 0
      oracle.cases.forEach(({ baseProbs, knockouts }, c) => {
        const base = results[c].base.probs!
        expect(maxDifference(base, baseProbs), `case ${c}`).toBeLessThanOrEqual(ORACLE_TOLERANCE)
        expect(results[c].knockouts).toHaveLength(knockouts.length)
        knockouts.forEach(({ probs, ...knockout }, k) => {
          const difference = maxDifference(results[c].knockouts[k].probs!, probs)
          expect(difference, JSON.stringify(knockout)).toBeLessThanOrEqual(ORACLE_TOLERANCE)
          effect = Math.max(effect, maxDifference(probs, baseProbs))
        })
      })
      expect(effect).toBeGreaterThan(500 * ORACLE_TOLERANCE) // or agreement would mean nothing
    },
  )

  it('with 1,048 knockouts by other implementations, and those of the variants', () => {
    const count = (of: Oracle[]) =>
      of.flatMap(({ cases }) => cases).reduce((sum, { knockouts }) => sum + knockouts.length, 0)
    expect(count(ORACLES)).toBe(1048)
    expect(count(VARIANTS)).toBeGreaterThan(200)
  })

  it.each(ARCHITECTURES.map(({ modelType }) => modelType))('%s has an oracle', (modelType) => {
    expect(ORACLES.map((oracle) => oracle.modelType)).toContain(modelType)
  })
})

describe('the original mamba_ssm layout gives the numbers of the Hugging Face layout, bit for bit', () => {
  it.each(['mamba1', 'mamba2'])('%s', async (family) => {
    const [hf, original] = ['hf', 'original'].map(
      (layout) => ORACLES.find(({ dir }) => basename(dir) === `${family}-${layout}`)!,
    )
    expect(original.modelType).toBeUndefined()
    expect(await answers(original.dir, hf)).toEqual(await answers(hf.dir, hf))
  })
})

describe('parity: trained models on real prompts', () => {
  it.each(TRAINED.map((oracle) => [oracle.name, oracle] as const))(
    '%s: tokens, subject, answer, base probability and every curve',
    async (_, { model: name, cases }) => {
      const model = await loadModel(name, { threads: 1 })
      const { nLayers } = model.spec
      const tokenizer = await model.tokenizer()
      const prepared = cases.map(({ prompt, subject, answer }) =>
        preparePrompt(tokenizer, { id: prompt, prompt, subject, answer }),
      )
      const prompts = prepared.map(({ ids, answer, subject }, p) => {
        const { window, curves } = cases[p]
        const knockouts = Object.keys(curves).flatMap((curve) => {
          const [source, features = 'all'] = curve.split(':')
          return windowStarts(nLayers, window).map((first) => ({
            layers: windowLayers(first, window),
            sources: rolePositions(source as Role, { length: ids.length, subject }),
            targets: [ids.length - 1],
            features: features as Features,
          }))
        })
        return { ids, answer, knockouts }
      })
      const results = await model.knockout(prompts)
      await model.close()
      const expectNear = (got: number, want: number, what: string): void => {
        expect(Math.abs(got / want - 1), what).toBeLessThanOrEqual(TRAINED_TOLERANCE)
      }
      cases.forEach(({ tokens, subjectTokens, answerToken, baseProb, curves }, p) => {
        const { fact, ids, subject, answer } = prepared[p]
        expect({ ids, subject, answer }).toEqual({ ids: tokens, subject: subjectTokens, answer: answerToken })
        expectNear(results[p].base.prob, baseProb, fact.prompt)
        const wanted = Object.entries(curves).flatMap(([curve, probs]) =>
          probs.map((prob) => ({ curve, prob })),
        )
        expect(results[p].knockouts).toHaveLength(wanted.length)
        wanted.forEach(({ curve, prob }, k) => {
          expectNear(results[p].knockouts[k].prob, prob, `${fact.prompt}: ${curve}`)
        })
      })
    },
  )

  it('are 231 prompts on six models, every window of their curves', () => {
    const values = TRAINED.map(({ name, cases }) => {
      const number = cases.flatMap(({ curves }) => Object.values(curves).flat()).length
      return [name, cases.length, number]
    })
    expect(values).toEqual([
      ['first/tiny-gpt2', 40, 40 * 4 * 8],
      ['first/tiny-mamba1', 31, 31 * 6 * 16],
      ['first/tiny-mamba2', 40, 40 * 6 * 16],
      ['embedded/tiny-gpt2', 40, 1840],
      ['embedded/tiny-mamba1', 40, 5586],
      ['embedded/tiny-mamba2', 40, 5586],
    ])
  })

  it('cut each kind of source in windows of every size', () => {
    for (const { cases } of trainedOracles('embedded')) {
      expect(new Set(cases.map(({ window }) => window)).size).toBe(4)
      const curves = new Set(cases.flatMap((one) => Object.keys(one.curves)))
      expect([...curves]).toEqual(expect.arrayContaining(['subject', 'relation', 'first', 'last']))
    }
  })
})
