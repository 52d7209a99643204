/** A share of a study's work: the i-th of n, which a worker of a cluster computes. */
import { InputError, show } from '../errors.js'

export interface Shard {
  /** From 1 to `count`. */
  readonly index: number
  readonly count: number
}

/** More than any cluster has tasks of one job. */
const MOST_SHARDS = 100_000

/** `3/8` */
export function shardName({ index, count }: Shard): string {
  return `${index}/${count}`
}

/**
 * Read `3/8`: the third of eight shares.
 * @param where names it, for errors
 * @throws InputError
 */
export function parseShard(text: string, where = '--shard'): Shard {
  const match = /^(\d{1,9})\/(\d{1,9})$/.exec(text.trim())
  const [index, count] = [Number(match?.[1]), Number(match?.[2])]
  if (!match || index < 1 || index > count || count > MOST_SHARDS) {
    throw new InputError(
      `${where}: must be i/n, the i-th of n shares with i from 1 to n (at most ${MOST_SHARDS}), got ${show(text)}; change it`,
    )
  }
  return { index, count }
}

/** The variables by which a cluster tells a worker which one it is, and what they say. */
export interface EnvironmentShard {
  readonly shard: Shard
  /** Name of the variable. */
  readonly from: string
}

/**
 * The share that a cluster gave this worker: a task of a Slurm array, or of an Indexed Job of Kubernetes (whose
 * number of completions must be in FACTFLOW_SHARDS, as Kubernetes does not tell it).
 * @returns undefined outside of such jobs
 * @throws InputError when the variables do not say which of how many
 */
export function shardOfEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): EnvironmentShard | undefined {
  if (env.SLURM_ARRAY_TASK_ID !== undefined) return slurmShard(env)
  const index = env.JOB_COMPLETION_INDEX
  if (index === undefined) return undefined
  const count = env.FACTFLOW_SHARDS
  if (count === undefined) {
    throw new InputError(
      `FACTFLOW_SHARDS: must be the number of completions of the Job, got nothing beside JOB_COMPLETION_INDEX=${show(index)}; set it, or give --shard i/n (1/1 for all of the work)`,
    )
  }
  if (!/^\d{1,9}$/.test(index)) {
    throw new InputError(
      `JOB_COMPLETION_INDEX: must be a number from 0, got ${show(index)}; unset it, or give --shard i/n (1/1 for all of the work)`,
    )
  }
  const shard = parseShard(`${Number(index) + 1}/${count}`, 'JOB_COMPLETION_INDEX, FACTFLOW_SHARDS')
  return { shard, from: 'JOB_COMPLETION_INDEX' }
}

function slurmShard(env: Readonly<Record<string, string | undefined>>): EnvironmentShard {
  const number = (name: string, otherwise?: number): number => {
    const variable = `SLURM_ARRAY_TASK_${name}`
    const text = env[variable] ?? otherwise?.toString()
    if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text)
    throw new InputError(
      `${variable}: must be a number, got ${text === undefined ? 'nothing beside SLURM_ARRAY_TASK_ID' : show(text)}; run it as a task of an array, or give --shard i/n (1/1 for all of the work)`,
    )
  }
  const id = number('ID')
  const count = number('COUNT')
  const min = number('MIN')
  const step = number('STEP', 1)
  const max = number('MAX', min + step * (count - 1))
  const index = (id - min) / step + 1
  // Of `--array=2,5` the tasks are 2 of 2 and 5 of 2: which shares they are is for the script to say.
  if (!Number.isInteger(index) || index < 1 || index > count || max !== min + step * (count - 1)) {
    throw new InputError(
      `SLURM_ARRAY_TASK_ID: the array's tasks must be evenly spaced numbers to tell which share is whose, got task ${id} of ${count} from ${min} to ${max}; give --shard i/n (1/1 for all of the work)`,
    )
  }
  return { shard: { index, count }, from: 'SLURM_ARRAY_TASK_ID' }
}
