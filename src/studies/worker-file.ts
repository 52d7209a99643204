/**
 * What each worker of a run folder says of itself in a file of its own, every few seconds: `factflow status` reads
 * them. Results do not depend on them.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { z } from 'zod'
import { isRunning } from '../checkpoints/alive.js'
import { errorCode } from '../errors.js'
import { here } from '../results/leftovers.js'
import { writeWhole } from '../results/whole-file.js'
import { parseShard, type Shard, shardName } from './shard.js'

export const WORKER_PREFIX = 'worker-'
const FORMAT = 'factflow-worker/1'
/** Milliseconds between two words of a worker. */
const EVERY = 10_000
/** Milliseconds after which a silent worker is taken for dead: clocks differ, and shared folders show files late. */
const SILENCE = 120_000

function isShard(text: string): boolean {
  try {
    return shardName(parseShard(text)) === text
  } catch {
    return false
  }
}

const worker = z.object({
  format: z.literal(FORMAT),
  host: z.string(),
  pid: z.number(),
  /** Where that number means a process: see `here`. */
  place: z.string().optional(),
  /** Of the cluster: Slurm's job and task, or the name of the pod. */
  job: z.string().optional(),
  shard: z.string().refine(isShard).optional(),
  state: z.enum(['running', 'waiting', 'done', 'stopped', 'failed']),
  /** Whether it stops before knockouts. */
  evaluateOnly: z.boolean().optional(),
  /** What is being computed. */
  stage: z.enum(['evaluate', 'sweep']).optional(),
  model: z.string().optional(),
  /** Prompts of that. */
  done: z.number(),
  total: z.number(),
  /** Floating point operations in all units that it has computed, and the seconds they took. */
  flops: z.number(),
  seconds: z.number(),
  began: z.string(),
  updated: z.string(),
  /** Models that it could not compute, and why. */
  failed: z.array(z.object({ model: z.string(), message: z.string() })),
  /** Labels of the models whose evaluation by others it lacked, when it stopped for that. */
  waitsFor: z.array(z.string()).optional(),
  /** What ended it. */
  error: z.string().optional(),
})
export type Worker = z.infer<typeof worker>
export type WorkerState = Worker['state'] | 'lost'

/** How the cluster calls what this process is of. */
function jobOfEnvironment(env: NodeJS.ProcessEnv): string | undefined {
  if (env.SLURM_ARRAY_JOB_ID !== undefined) return `${env.SLURM_ARRAY_JOB_ID}_${env.SLURM_ARRAY_TASK_ID}`
  if (env.SLURM_JOB_ID !== undefined) return env.SLURM_JOB_ID
  return env.JOB_COMPLETION_INDEX === undefined ? undefined : (env.HOSTNAME ?? undefined)
}

/** The file of this process while it computes. */
export class WorkerFile {
  #worker: Worker
  #timer: NodeJS.Timeout | undefined
  /** Writes come one behind the other. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(
    private readonly file: string,
    shard: Shard | undefined,
  ) {
    const now = new Date().toISOString()
    const job = jobOfEnvironment(process.env)
    this.#worker = {
      format: FORMAT,
      host: hostname(),
      pid: process.pid,
      place: here(),
      ...(job !== undefined && { job }),
      ...(shard && { shard: shardName(shard) }),
      ...{ state: 'running', done: 0, total: 0, flops: 0, seconds: 0 },
      ...{ began: now, updated: now, failed: [] },
    }
  }

  /**
   * Begin to say how it goes. A shard has one file, whoever computes it, and one for its evaluation alone. What counts
   * no more is removed: files of processes of this machine that are gone, and, where the work is shared out anew, of
   * other numbers of shards.
   * @param evaluateOnly whether it stops before knockouts
   */
  static async begin(dir: string, shard: Shard | undefined, evaluateOnly = false): Promise<WorkerFile> {
    await removeDead(dir, shard?.count)
    const id = shard ? `${shard.index}-of-${shard.count}${evaluateOnly ? '-evaluate' : ''}` : unsharded()
    const file = new WorkerFile(join(dir, `${WORKER_PREFIX}${id}.json`), shard)
    if (evaluateOnly) file.set({ evaluateOnly })
    await file.#write()
    file.#timer = setInterval(() => void file.#write(), EVERY)
    file.#timer.unref()
    return file
  }

  /** Say something new at the next turn. */
  set(news: Partial<Omit<Worker, 'format' | 'host' | 'pid'>>): void {
    this.#worker = { ...this.#worker, ...news }
  }

  /** Count a unit. */
  add(flops: number, seconds: number): void {
    this.set({ flops: this.#worker.flops + flops, seconds: this.#worker.seconds + seconds })
  }

  /** Say how it ended. */
  async end(state: Worker['state'], error?: string): Promise<void> {
    clearInterval(this.#timer)
    this.set({ state, ...(error !== undefined && { error }) })
    await this.#write()
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      this.set({ updated: new Date().toISOString() })
      try {
        await writeWhole(this.file, `${JSON.stringify(this.#worker, null, 2)}\n`)
      } catch {
        // A full disk or a folder that is gone stops the work itself, which says so.
      }
    })
    return this.#writing
  }
}

function unsharded(): string {
  const id = createHash('sha256').update(`${hostname()} ${process.pid}`).digest('hex')
  return id.slice(0, 12)
}

/** All that workers have said in a folder; files that are not whole are passed over. */
export async function readWorkers(dir: string): Promise<Worker[]> {
  return (await workerFiles(dir)).map(({ value }) => value)
}

async function workerFiles(dir: string): Promise<{ readonly file: string; readonly value: Worker }[]> {
  const names = (await readdir(dir)).filter(
    (name) => name.startsWith(WORKER_PREFIX) && name.endsWith('.json'),
  )
  const read = names.sort().map(async (name) => {
    const file = join(dir, name)
    try {
      const parsed = worker.safeParse(JSON.parse(await readFile(file, 'utf8')))
      return parsed.success ? [{ file, value: parsed.data }] : []
    } catch (error) {
      if (error instanceof SyntaxError || errorCode(error) === 'ENOENT') return []
      throw error
    }
  })
  return (await Promise.all(read)).flat()
}

async function removeDead(dir: string, count: number | undefined): Promise<void> {
  for (const { file, value } of await workerFiles(dir)) {
    const state = workerState(value)
    if (state === 'running' || state === 'waiting') continue
    const shard = workerShard(value)
    const counts = shard
      ? count === undefined || shard.count === count
      : value.place !== here() || isRunning(value.pid)
    if (!counts) await rm(file, { force: true })
  }
}

/** How a worker does: `lost` when it should have said something by now, or its process is known to be gone. */
export function workerState({ state, updated, place, pid }: Worker, now = Date.now()): WorkerState {
  if (state !== 'running' && state !== 'waiting') return state
  if (place === here()) return isRunning(pid) ? state : 'lost'
  return now - Date.parse(updated) > SILENCE ? 'lost' : state
}

/** The shard of a worker's file. */
export function workerShard({ shard }: Worker): Shard | undefined {
  return shard === undefined ? undefined : parseShard(shard)
}
