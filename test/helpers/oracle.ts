/** Answers that are not ours: folders with a checkpoint and `cases.json`, and `trained/*.json` (CONTRIBUTING.md, "Tests"). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url))
/** The embedded models. */
const MODELS = fileURLToPath(new URL('../../models', import.meta.url))

export type Features = 'all' | 'context-dependent' | 'context-independent'

export interface OracleKnockout {
  readonly layers: number[]
  readonly sources: number[]
  readonly targets: number[]
  readonly features: Features
  /** Next-token distribution at the last position under the knockout. */
  readonly probs: number[]
}

export interface OracleCase {
  readonly tokens: number[]
  readonly baseProbs: number[]
  readonly knockouts: OracleKnockout[]
}

/** A checkpoint with its right answers. */
export interface Oracle {
  /** `oracle/llama`, `variants/gpt2-bare`. */
  readonly name: string
  readonly dir: string
  readonly modelType: unknown
  readonly cases: readonly OracleCase[]
}

/** All oracles of a kind: `oracle` are those of the architectures, `variants` those of their options. */
export function oracles(kind: 'oracle' | 'variants'): Oracle[] {
  const root = join(FIXTURES, kind)
  return readdirSync(root)
    .filter((folder) => existsSync(join(root, folder, 'config.json')))
    .sort()
    .map((folder) => {
      const dir = join(root, folder)
      const { cases } = readJson<{ cases: OracleCase[] }>(join(dir, 'cases.json'))
      // Python's bare Infinity is no JSON.
      const config = readFileSync(join(dir, 'config.json'), 'utf8').replaceAll(/\bInfinity\b(?!")/g, 'null')
      const { model_type } = JSON.parse(config) as { model_type?: unknown }
      return { name: `${kind}/${folder}`, dir, modelType: model_type, cases }
    })
}

/** A real prompt on a trained model. */
export interface TrainedCase {
  readonly prompt: string
  readonly subject: string
  readonly answer: string
  readonly tokens: number[]
  readonly subjectTokens: number[]
  readonly answerToken: number
  readonly baseProb: number
  readonly window: number
  /** The answer's probability per window start, target last; keys are `source` or `source:features`. */
  readonly curves: Record<string, number[]>
}

/** A trained model with its right answers. */
export interface TrainedOracle {
  readonly name: string
  /** What `loadModel` takes. */
  readonly model: string
  /** The checkpoint's folder. */
  readonly dir: string
  readonly cases: readonly TrainedCase[]
}

/**
 * The trained models that have right answers: `first` are the first embedded ones, whose answers are by the paper
 * authors' code and by transformers; `embedded` those of today, by training/oracle.py.
 */
export function trainedOracles(kind: 'first' | 'embedded'): TrainedOracle[] {
  const root = join(FIXTURES, 'trained', kind === 'first' ? 'first' : '')
  return readdirSync(root)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -'.json'.length)
      const dir = kind === 'first' ? join(root, name) : join(MODELS, name)
      const model = kind === 'first' ? dir : name
      return { name: `${kind}/${name}`, model, dir, cases: readJson<TrainedCase[]>(join(root, file)) }
    })
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}
