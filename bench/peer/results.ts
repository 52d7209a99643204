/** What the two sides measure. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { InputError, show } from '../../src/errors.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'

const numbers = z.array(z.number()).min(1).readonly()

const knockout = z.object({
  layers: numbers,
  sources: numbers,
  targets: numbers,
  features: z.enum(FEATURE_CATEGORIES),
})

/** What both say. */
const side = z.object({
  /** The first prompt, and the sample of its knockouts. */
  work: z.object({
    ids: numbers,
    answer: z.number(),
    /** Knockouts of a whole unit of work. */
    perPrompt: z.number(),
    knockouts: z.array(knockout).min(1).readonly(),
  }),
  /** The answer's probability without a knockout. */
  base: z.number(),
  /** And under each of the sample. */
  probs: numbers,
  /** Most resident memory of the process before there is a model. */
  programBytes: z.number(),
  /** And at the end. */
  peakBytes: z.number(),
  machine: z.object({ processor: z.string(), threads: z.number(), device: z.string() }),
  versions: z.record(z.string(), z.string()),
})

const peerResult = side.extend({
  size: z.string(),
  seed: z.number(),
  /** Seconds of each round over the sample. */
  roundSeconds: numbers,
  /** Of the fastest round. */
  secondsPerKnockout: z.number(),
  /** That, times the knockouts of a prompt: they are run one by one, each a whole run of the model. */
  secondsPerPrompt: z.number(),
  /** Most memory of the GPU that PyTorch had allocated once the model was loaded, weights included; null on a CPU. */
  peakDeviceBytes: z.number().nullable(),
  /** Packages with faster kernels that were there. */
  kernels: z.array(z.string()).readonly(),
})

/** What peer.py writes. */
export type PeerResult = z.infer<typeof peerResult>

/** A sweep over some prompts. */
export interface SweepTime {
  readonly prompts: number
  /** Seconds of each round. */
  readonly roundSeconds: readonly number[]
  /** Of the fastest round. */
  readonly secondsPerPrompt: number
}

export interface FactflowResult extends z.infer<typeof side> {
  /** One prompt alone, then several at once. */
  readonly sweeps: readonly SweepTime[]
  /** What computed. */
  readonly runtime: string
}

/** @throws InputError when the file is not what peer.py writes */
export async function readPeerResult(file: string): Promise<PeerResult> {
  try {
    return peerResult.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : []
    const why = issue ? `${issue.path.join('.')}: ${issue.message}` : (error as Error).message
    throw new InputError(`--measured: must be what peer.py wrote, got ${show(file)} (${why}); name its file`)
  }
}
