/** The steps of the tour: what each says, asks and computes. Pure. */
import type { FeatureCategory } from '../../../src/models/architecture.js'
import type { FlowRef } from '../../../src/ui/protocol.js'
import { FACT_COUNTS } from './facts.js'
import type { Measured } from './measured.js'
import { type Seen, seenFeatures, seenFirst, seenLate, seenRelation, seenTransformer } from './seen.js'

export interface Guess {
  readonly question: string
  readonly options: readonly { readonly value: string; readonly label: string }[]
}

export interface Step {
  /** For the list of steps. */
  readonly name: string
  /** The claim. */
  readonly title: string
  readonly text: string
  /** What the paper says and what these models can say of it. */
  readonly note: string
  /** Asked before the step is shown. */
  readonly guess: Guess
  /** Models of which the visitor chooses one, the first unless another is chosen; or all of them are shown. */
  readonly models: readonly string[]
  readonly choose: boolean
  readonly flows: readonly FlowRef[]
  /** @param measured one per model that is shown */
  readonly seen: (measured: readonly Measured[]) => Seen
}

function toLast(source: FlowRef['source'], features: FeatureCategory = 'all'): FlowRef {
  return { source, target: 'last', features }
}

export const STEPS: readonly Step[] = [
  {
    name: 'Subject',
    title: 'The subject reaches the last token late',
    text: 'The subject is what a prompt is about: “Manila”. Here it is cut from the last token in one window of layers after the other. Where the curve falls, the last token needed the subject at that depth.',
    note: 'The paper finds this in all its models, of 130 million to 14 billion parameters: the subject’s information flows to the last token in middle to late layers.',
    guess: {
      question: 'In which half of the layers does the last token get the subject?',
      options: [
        { value: 'first', label: 'The first half' },
        { value: 'second', label: 'The second half' },
      ],
    },
    models: ['tiny-mamba1', 'tiny-mamba2'],
    choose: true,
    flows: [toLast('subject')],
    seen: ([measured]) => seenLate(measured!),
  },
  {
    name: 'Features',
    title: 'It flows through context-dependent features',
    text: 'A Mamba layer has features that forget fast and features that forget slowly. The same knockout is done in only some of them: in all but the third that forgets fastest (context-dependent), or in all but the third that forgets slowest (context-independent).',
    note: 'The paper finds that context-dependent features carry what tokens tell each other, the others enrich single tokens. tiny-mamba2 can show it clearly. In tiny-mamba1 features hardly differ in how fast they forget, so there the two categories mean little.',
    guess: {
      question: 'Which features carry the subject to the last token?',
      options: [
        { value: 'dependent', label: 'Context-dependent ones' },
        { value: 'independent', label: 'Context-independent ones' },
      ],
    },
    models: ['tiny-mamba2', 'tiny-mamba1'],
    choose: true,
    flows: [
      toLast('subject'),
      toLast('subject', 'context-dependent'),
      toLast('subject', 'context-independent'),
    ],
    seen: ([measured]) => seenFeatures(measured!),
  },
  {
    name: 'Relation',
    title: 'The relation’s words are read earlier',
    text: 'The relation is what is asked of the subject: all other words. They are cut from the last token (which is never cut from itself here), beside the subject. Compare where the two curves fall.',
    note: 'That the relation comes before the subject is what these small Mambas show; the paper only says that where and how much such words count differs between Mamba and transformers. Choose tiny-gpt2 to see it.',
    guess: {
      question: 'When does the last token read the words of the relation?',
      options: [
        { value: 'earlier', label: 'Before the subject' },
        { value: 'same', label: 'At the same depth' },
        { value: 'later', label: 'After the subject' },
      ],
    },
    models: ['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2'],
    choose: true,
    flows: [toLast('subject'), toLast('relation-minus-last')],
    seen: ([measured]) => seenRelation(measured!),
  },
  {
    name: 'First token',
    title: 'Models differ in a bias towards the first token',
    text: 'Large transformers are known to look at the first token much, whatever it is. All facts here begin with a word that is not the subject’s: it is cut from the last token in all three models, beside the subject for scale.',
    note: 'The paper finds that models differ in such a bias. The embedded models are small and sure of what they know: expect a small effect, and differences that few facts cannot tell from chance.',
    guess: {
      question: 'How much does the last token need the first one?',
      options: [
        { value: 'less', label: 'Far less than the subject' },
        { value: 'much', label: 'A good part as much' },
      ],
    },
    models: ['tiny-mamba1', 'tiny-mamba2', 'tiny-gpt2'],
    choose: false,
    flows: [toLast('subject'), toLast('first')],
    seen: seenFirst,
  },
  {
    name: 'Transformer',
    title: 'The transformer differs: it moves the subject early',
    text: 'The same facts and the same knockouts in a Mamba of 24 layers and a transformer of 12, side by side by share of their depth. Both know all of these facts.',
    note: 'Here the embedded transformer does not do as the paper’s: those move the subject late, like Mamba. Twelve layers and facts of one step leave tiny-gpt2 no reason to wait. What the paper does find to differ is how the other words count.',
    guess: {
      question: 'A transformer learns the same facts. When does it move the subject?',
      options: [
        { value: 'earlier', label: 'Earlier than Mamba' },
        { value: 'same', label: 'At the same depth' },
        { value: 'later', label: 'Later than Mamba' },
      ],
    },
    models: ['tiny-mamba1', 'tiny-gpt2'],
    choose: false,
    flows: [toLast('subject'), toLast('relation-minus-last')],
    seen: ([mamba, transformer]) => seenTransformer(mamba!, transformer!),
  },
]

/** What the address says of the tour. */
export interface Tour {
  /** 0: the introduction; 1 to 5. */
  readonly step: number
  /** Of those that the step lets choose. */
  readonly model: string | undefined
  /** Layers of 24; models of fewer have a window of the same share. */
  readonly window: number
  readonly facts: (typeof FACT_COUNTS)[number]
  /** Number of the sample of facts. */
  readonly sample: number
  /** An option of the step's question. */
  readonly guess: string | undefined
}

export const WINDOW = 9
const MOST_SAMPLES = 999

function whole(text: string | null, least: number, most: number): number | undefined {
  const value = /^\d{1,4}$/.test(text ?? '') ? Number(text) : Number.NaN
  return value >= least && value <= most ? value : undefined
}

/** The tour that parameters ask for; what cannot be read is as if it was not there. */
export function tourOf(params: URLSearchParams): Tour {
  const step = whole(params.get('step'), 0, STEPS.length) ?? 0
  const own = STEPS[step - 1]
  return {
    step,
    model: own?.choose
      ? (own.models.find((name) => name === params.get('model')) ?? own.models[0])
      : undefined,
    window: whole(params.get('window'), 1, 24) ?? WINDOW,
    facts: FACT_COUNTS.find((count) => count === Number(params.get('facts'))) ?? FACT_COUNTS[0],
    sample: whole(params.get('sample'), 1, MOST_SAMPLES) ?? 1,
    guess: own?.guess.options.find(({ value }) => value === params.get('guess'))?.value,
  }
}

/** Parameters of a tour; what goes without saying is left out. */
export function tourParams(tour: Tour): Readonly<Record<string, string | number | undefined>> {
  const { step, model, window, facts, sample, guess } = tour
  return {
    step: step === 0 ? undefined : step,
    model: model === STEPS[step - 1]?.models[0] ? undefined : model,
    window: window === WINDOW ? undefined : window,
    facts: facts === FACT_COUNTS[0] ? undefined : facts,
    sample: sample === 1 ? undefined : sample,
    guess,
  }
}

/** Another step with the same facts and window. */
export function toStep(tour: Tour, step: number, guess?: string): Tour {
  return { ...tour, step, model: undefined, guess }
}

/** The models that a step shows. */
export function modelsOf(step: Step, { model }: Tour): readonly string[] {
  return step.choose ? [model ?? step.models[0]!] : step.models
}

/** What became of a guess, in words; undefined without one. */
export function guessWords(
  { options }: Guess,
  guess: string | undefined,
  right: string | undefined,
): string | undefined {
  const label = (value: string | undefined): string | undefined =>
    options.find((option) => option.value === value)?.label
  const guessed = label(guess)
  if (guessed === undefined) return undefined
  const truth = label(right)
  if (truth === undefined) return `Your guess: ${guessed}. These numbers do not decide it.`
  return guess === right
    ? `Your guess: ${guessed}. That is so.`
    : `Your guess: ${guessed}. The numbers say: ${truth}.`
}

/** What is cut in the introduction. */
export interface IntroCut {
  /** Positions, ascending. */
  readonly sources: readonly number[]
  /** First layer of the window. */
  readonly first: number
}

/** Late layers, where the subject counts. */
const FIRST_LAYER = 15

export function introCutOf(params: URLSearchParams): IntroCut {
  const text = params.get('cut') ?? ''
  const sources = /^\d{1,3}(,\d{1,3}){0,50}$/.test(text) ? text.split(',').map(Number) : []
  return {
    sources: [...new Set(sources)].sort((a, b) => a - b),
    first: whole(params.get('from'), 0, 24 - WINDOW) ?? FIRST_LAYER,
  }
}

export function introCutParams({
  sources,
  first,
}: IntroCut): Readonly<Record<string, string | number | undefined>> {
  return {
    cut: sources.length === 0 ? undefined : sources.join(','),
    from: first === FIRST_LAYER ? undefined : first,
  }
}
