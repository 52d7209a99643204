/** Random knockouts, prompts and models of every family for property-based tests. */
import fc from 'fast-check'
import type { Knockout } from '../../src/knockout/knockout.js'
import type { KnockoutPrompt } from '../../src/model.js'
import { FEATURE_CATEGORIES, type FeatureCategory } from '../../src/models/architecture.js'
import { categoriesOf } from '../reference/families.js'
import type {
  LlamaConfig,
  ReferenceConfig,
  ReferenceKnockout,
  ReferenceModel,
  Rope,
} from '../reference/model.js'
import {
  type RandomGpt2Shape,
  type RandomLlamaShape,
  type RandomMamba2Shape,
  type RandomMambaShape,
  randomGpt2,
  randomLlama,
  randomMamba,
  randomMamba2,
} from '../reference/random.js'

/** One or more of the numbers below `end`, in any order. */
function some(end: number): fc.Arbitrary<number[]> {
  const all = Array.from({ length: end }, (_, i) => i)
  return fc.shuffledSubarray(all, { minLength: 1 })
}

/** Any knockout of a prompt of `length` tokens; every second one has the last token as its only target. */
export function anyKnockout(
  nLayers: number,
  length: number,
  categories: readonly FeatureCategory[] = FEATURE_CATEGORIES,
): fc.Arbitrary<Knockout> {
  return fc.record({
    layers: some(nLayers),
    sources: some(length),
    targets: fc.oneof(fc.constant([length - 1]), some(length)),
    features: fc.constantFrom(...categories),
  })
}

const MOST_TOKENS = 12

const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max })
/** A value, or left out. */
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
/** Widths are at least this: a norm of very few values magnifies rounding. */
const LEAST_WIDTH = 8

const COMMON = { nLayers: integer(1, 3), vocabSize: integer(16, 48), tied: fc.boolean() }

const anyMamba: fc.Arbitrary<RandomMambaShape> = fc.record({
  ...COMMON,
  dModel: integer(LEAST_WIDTH, 24),
  // Twice dModel when left out.
  dInner: maybe(integer(LEAST_WIDTH, 48)),
  dState: integer(1, 8),
  dtRank: integer(1, 3),
  convKernel: integer(2, 4),
  useBias: fc.boolean(),
  useConvBias: fc.boolean(),
})

const anyFalconMamba: fc.Arbitrary<RandomMambaShape> = fc
  .tuple(anyMamba, fc.constantFrom(1e-6, 1e-3, 0.3))
  .map(([shape, mixerEpsilon]) => ({ ...shape, mixerEpsilon }))

const anyMamba2: fc.Arbitrary<RandomMamba2Shape> = fc
  .record({
    ...COMMON,
    nGroups: integer(1, 3),
    headsPerGroup: integer(1, 3),
    expand: integer(1, 2),
    columns: integer(1, 3),
    dState: integer(1, 8),
    convKernel: integer(2, 4),
    useBias: fc.boolean(),
    useConvBias: fc.boolean(),
    timeStepLimit: maybe(fc.constantFrom<[number, number][]>([0.1, 0.6], [0, 0.3], [0.2, 2])),
  })
  .map(({ headsPerGroup, expand, columns, ...shape }) => {
    const nHeads = shape.nGroups * headsPerGroup
    const perHead = Math.max(columns, Math.ceil(LEAST_WIDTH / nHeads))
    // expand * dModel = nHeads * headDim
    return { ...shape, nHeads, dModel: nHeads * perHead, headDim: expand * perHead }
  })

const anyGpt2: fc.Arbitrary<RandomGpt2Shape> = fc
  .record({
    ...COMMON,
    nHeads: integer(1, 4),
    columns: integer(1, 6),
    dMlp: maybe(integer(LEAST_WIDTH, 40)),
    nPositions: integer(MOST_TOKENS + 1, 20),
    activation: fc.constantFrom('gelu_new' as const, 'gelu' as const),
    scaleWeights: fc.boolean(),
    scaleByInverseLayer: fc.boolean(),
  })
  .map(({ columns, ...shape }) => {
    const perHead = Math.max(columns, Math.ceil(LEAST_WIDTH / shape.nHeads))
    return { ...shape, dModel: shape.nHeads * perHead }
  })

const anyRope: fc.Arbitrary<Rope> = fc.oneof(
  fc.record({ type: fc.constant('default' as const), theta: fc.constantFrom(100, 1e4, 5e5) }),
  fc.record({
    type: fc.constant('linear' as const),
    theta: fc.constantFrom(100, 1e4),
    factor: integer(1, 8),
  }),
  fc.record({
    type: fc.constant('llama3' as const),
    theta: fc.constantFrom(100, 1e4),
    factor: integer(2, 32),
    lowFreqFactor: fc.constant(1),
    highFreqFactor: integer(2, 4),
    originalMaxPositions: fc.constantFrom(8, 32, 128),
  }),
)

function anyLlama(modelType: LlamaConfig['modelType']): fc.Arbitrary<RandomLlamaShape> {
  return fc
    .record({
      ...COMMON,
      dModel: integer(LEAST_WIDTH, 24),
      nKvHeads: integer(1, 3),
      share: integer(1, 3),
      halfHead: integer(1, 4),
      dMlp: integer(LEAST_WIDTH, 40),
      rope: anyRope,
      attentionBias: fc.boolean(),
      mlpBias: fc.boolean(),
      window: maybe(integer(1, MOST_TOKENS)),
      sliding: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    })
    .map(({ share, halfHead, attentionBias, mlpBias, window, sliding, ...shape }) => {
      const windowOf = (layer: number): number => {
        const slides = modelType === 'mistral' || (modelType === 'qwen2' && sliding[layer])
        return (slides ? window : undefined) ?? Number.POSITIVE_INFINITY
      }
      return {
        ...shape,
        modelType,
        nHeads: share * shape.nKvHeads,
        headDim: 2 * halfHead,
        ...(modelType === 'llama' && { attentionBias, mlpBias }),
        windows: Array.from({ length: shape.nLayers }, (_, layer) => windowOf(layer)),
      }
    })
}

/** A random model: `make` gives the same one every time. */
export interface RandomModel {
  readonly seed: number
  readonly shape: { readonly nLayers: number; readonly vocabSize: number }
  readonly make: () => ReferenceModel
}

function models<S extends RandomModel['shape']>(
  anyShape: fc.Arbitrary<S>,
  make: (seed: number, shape: S) => ReferenceModel,
): fc.Arbitrary<RandomModel> {
  return fc
    .record({ seed: fc.integer(), shape: anyShape })
    .map(({ seed, shape }) => ({ seed, shape, make: () => make(seed, shape) }))
}

/** Random models of every architecture, by its `modelType`. */
export const FAMILIES: Readonly<Record<ReferenceConfig['modelType'], fc.Arbitrary<RandomModel>>> = {
  mamba: models(anyMamba, randomMamba),
  falcon_mamba: models(anyFalconMamba, randomMamba),
  mamba2: models(anyMamba2, randomMamba2),
  gpt2: models(anyGpt2, randomGpt2),
  llama: models(anyLlama('llama'), randomLlama),
  mistral: models(anyLlama('mistral'), randomLlama),
  qwen2: models(anyLlama('qwen2'), randomLlama),
}

export const FAMILY_NAMES = Object.keys(FAMILIES) as ReferenceConfig['modelType'][]

/** A model, and what to ask it. */
export interface Scenario {
  readonly model: RandomModel
  readonly prompts: (KnockoutPrompt & { readonly ids: number[]; readonly answer: number })[]
}

/** 1 to 4 prompts of 1 to 12 tokens with 0 to `knockouts` knockouts each. */
export function anyScenario(family: ReferenceConfig['modelType'], knockouts = 4): fc.Arbitrary<Scenario> {
  const categories = categoriesOf({ modelType: family })
  return FAMILIES[family].chain((model) => {
    const { nLayers, vocabSize } = model.shape
    const token = fc.nat({ max: vocabSize - 1 })
    const prompt = fc.array(token, { minLength: 1, maxLength: MOST_TOKENS, size: 'max' }).chain((ids) =>
      fc.record({
        ids: fc.constant(ids),
        answer: token,
        knockouts: fc.array(anyKnockout(nLayers, ids.length, categories), {
          maxLength: knockouts,
          size: 'max',
        }),
      }),
    )
    return fc.record({
      model: fc.constant(model),
      prompts: fc.array(prompt, { minLength: 1, maxLength: 4, size: 'max' }),
    })
  })
}

/** A knockout as the reference engine takes it. */
export function asReference({ layers, sources, targets, features }: Knockout): ReferenceKnockout {
  return { layers: [...layers], sources: [...sources], targets: [...targets], features }
}

/** The same draws every time: rounding errors have long tails, and what is counted below must be among them. */
export function draws(numRuns: number): { numRuns: number; seed: number } {
  return { numRuns, seed: 2505 }
}
