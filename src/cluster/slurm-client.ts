/** Slurm's own commands: sbatch, squeue, scancel. */
import { execFile } from 'node:child_process'
import { errorCode, InputError, show } from '../errors.js'

/** A job that is in the queue, or a task of an array that is. */
export interface QueuedTask {
  readonly id: string
  /** Index of a task; undefined of a job without an array. */
  readonly index?: number
  /** In Slurm's words: PENDING, RUNNING… */
  readonly state: string
  /** Why it waits, in Slurm's words. */
  readonly reason: string
}

/** Milliseconds that a command may take: the controller may be slow, or gone. */
const PATIENCE = 180_000
/** What Slurm's commands say when they find no cluster, or get no answer. */
const UNREACHABLE =
  /unable to contact|could not establish a configuration source|dns srv|fetch config|communication connection failure|zero bytes were transmitted|timed out/i

/** States of jobs that are over. */
const OVER = new Set([
  ...['BOOT_FAIL', 'CANCELLED', 'COMPLETED', 'DEADLINE', 'FAILED', 'NODE_FAIL', 'OUT_OF_MEMORY'],
  ...['PREEMPTED', 'REVOKED', 'TIMEOUT'],
])

/**
 * Submit a script.
 * @param args of sbatch, `--parsable` among them
 * @param folder in which it is called
 * @returns the job's id
 * @throws InputError when there is no sbatch, or it refuses
 */
export async function submit(args: readonly string[], folder: string): Promise<string> {
  const out = await slurm('sbatch', args, { folder, next: 'change the settings' })
  // With a cluster's name behind it where there are several.
  const id = /^(\d+)(;\S+)?$/.exec(out.trim())?.[1]
  if (id === undefined) {
    throw new InputError(`sbatch: must print the number of the job, got ${show(out)}; see sbatch --parsable`)
  }
  return id
}

/**
 * Which of some jobs are in the queue, task by task.
 * @throws InputError when there is no squeue, or it fails
 */
export async function queue(ids: readonly string[]): Promise<QueuedTask[]> {
  if (ids.length === 0) return []
  const args = ['--noheader', '--array', `--jobs=${ids.join(',')}`, '--format=%F|%K|%T|%r']
  try {
    return parseQueue(await slurm('squeue', args, { next: 'try again' }))
  } catch (error) {
    // Of jobs that ended a while ago Slurm knows nothing any more.
    if (error instanceof InputError && /invalid job id/i.test(error.message)) return []
    throw error
  }
}

/** Read squeue's lines of `%F|%K|%T|%r`; jobs that are over are left out. */
export function parseQueue(text: string): QueuedTask[] {
  return text.split('\n').flatMap((one): QueuedTask[] => {
    const [id, index, state, ...reason] = one.trim().split('|')
    if (!id || index === undefined || state === undefined || OVER.has(state)) return []
    const task = /^\d+$/.test(index) ? { index: Number(index) } : {}
    return [{ id, ...task, state, reason: reason.join('|') }]
  })
}

/** Cancel jobs, with all of their tasks. */
export async function cancel(ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await slurm('scancel', ids, { next: 'try again' })
}

function slurm(
  command: string,
  args: readonly string[],
  { folder, next }: { readonly folder?: string; readonly next: string },
): Promise<string> {
  return new Promise((done, fail) => {
    execFile(
      command,
      args,
      { cwd: folder, timeout: PATIENCE, maxBuffer: 2 ** 28 },
      (error, stdout, stderr) => {
        if (!error) done(stdout)
        else if (errorCode(error) === 'ENOENT') {
          fail(
            new InputError(
              `${command}: must be a command of this machine, got none; run this on a login node of the cluster, or see with --dry-run what it would do`,
            ),
          )
        } else {
          const said = complaint(stderr, command)
          const why = error.killed ? `no answer in ${PATIENCE / 60_000} minutes` : said || error.message
          const todo =
            error.killed || UNREACHABLE.test(said)
              ? 'run this on a login node of the cluster, see that SLURM_CONF is right where it is set, or try again later'
              : next
          fail(new InputError(`${command}: must succeed, got ${show(why, 300)}; ${todo}`))
        }
      },
    )
  })
}

/** What a command says is wrong, in one line. */
function complaint(stderr: string, command: string): string {
  return stderr
    .split('\n')
    .map((one) => one.replace(new RegExp(`^${command}: (error|fatal): `), '').trim())
    .filter((one) => one !== '')
    .join('; ')
}
