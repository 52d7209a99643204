/**
 * Settings of `factflow slurm`: those of sbatch by sbatch's names, and what is factflow's own. Their JSON Schema is
 * published as docs/slurm.schema.json.
 */
import { z } from 'zod'
import { InputError, show } from '../errors.js'
import { issueError } from '../studies/study.js'
import { computeFields, line } from './compute.js'

/** More than any cluster has tasks of one array. */
const MOST_SHARDS = 100_000

/** `90`, `90:00`, `1:30:00`, `2-12`, `2-12:00`, `2-12:00:00`: minutes, or what its colons say. */
const TIME = /^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$/
const NO_LIMIT = /^(infinite|unlimited)$/i

/** Seconds of a time as Slurm writes it; undefined of one without end, NaN of none at all. */
export function slurmSeconds(text: string): number | undefined {
  if (NO_LIMIT.test(text)) return undefined
  const match = TIME.exec(text)
  if (!match) return Number.NaN
  const [days, a, b, c] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)))
  if (days !== undefined) return 86_400 * days + 3600 * a! + 60 * (b ?? 0) + (c ?? 0)
  if (c !== undefined) return 3600 * a! + 60 * b! + c
  return 60 * a! + (b ?? 0)
}

/** Options of sbatch by which factflow knows its jobs, or that would keep them from being what they are. */
const OWN =
  /^(-[aDdeoW]|--(array|chdir|dependency|error|no-requeue|open-mode|output|parsable|requeue|signal|test-only|wait|wrap)(=|$))/

const sbatchArgument = line
  .regex(/^-/, 'an option of sbatch, such as --reservation=NAME')
  .refine((text) => !OWN.test(text), 'must be an option of sbatch that factflow does not set itself')

/** Settings of sbatch that are passed on as they are. */
const SBATCH_FIELDS = {
  partition: line.optional(),
  account: line.optional(),
  qos: line.optional(),
  constraint: line.optional().describe('Features that nodes must have.'),
  gpus: line.optional().describe('GPUs of a worker, such as 1 or a100:1; one is used.'),
  gres: line.optional().describe('Other resources of a worker, such as gpu:1.'),
  mem: line.optional().describe('Memory of a worker, such as 32G; default the partition’s.'),
  time: line
    .refine(
      (text) => !Number.isNaN(slurmSeconds(text)),
      'must be a time as Slurm writes it: 90, 4:00:00, 2-12',
    )
    .optional()
    .describe('Time limit of a task: minutes, hours:minutes:seconds or days-hours; default the partition’s.'),
}
/** Those that a worker needs, and the report does not. */
const WORKERS_ALONE: ReadonlySet<string> = new Set(['gpus', 'gres'])

export const slurmSchema = z.strictObject({
  $schema: z.string().optional(),
  ...SBATCH_FIELDS,
  'cpus-per-task': z.int().min(1).default(4).describe('Processors of a worker.'),
  'signal-before': z
    .int()
    .min(1)
    .max(65_535)
    .default(120)
    .describe(
      'Seconds before the time limit at which a worker is told to stop: more than a unit of work takes.',
    ),
  shards: z.int().min(1).max(MOST_SHARDS).default(8).describe('Shares of the work, tasks of the arrays.'),
  throttle: z.int().min(1).optional().describe('Tasks that run at the same time, at most.'),
  wait: z
    .int()
    .min(0)
    .max(1440)
    .default(1)
    .describe('Minutes that a sweep waits for evaluations of other shards before it goes back to the queue.'),
  requeues: z
    .int()
    .min(0)
    .default(100)
    .describe(
      'How often a task goes back to the queue, Slurm’s own reasons (preemption, lost nodes) counted.',
    ),
  setup: z.array(line).default([]).describe('Lines of shell before the work, such as module load cuda.'),
  sbatch: z.array(sbatchArgument).default([]).describe('Other options of sbatch, for all jobs.'),
  'report-sbatch': z
    .array(sbatchArgument)
    .default([])
    .describe('Options of sbatch for the report’s job alone, such as --partition=cpu.'),
  command: line
    .optional()
    .describe(
      'What runs factflow, as a line of shell: apptainer exec image.sif factflow. Default: the node and the factflow that submit.',
    ),
  ...computeFields,
})
export type SlurmSettings = z.infer<typeof slurmSchema>
export type SlurmInput = z.input<typeof slurmSchema>

/**
 * Check settings, defaults filled in.
 * @param where names them, for errors
 * @throws InputError that says which field is wrong, what it must be and what it is
 */
export function parseSlurm(json: unknown, where: string): SlurmSettings {
  const parsed = slurmSchema.safeParse(json, { reportInput: true })
  if (!parsed.success) {
    throw issueError(parsed.error.issues[0]!, where, 'settings', 'see factflow slurm --help')
  }
  const settings = parsed.data
  const limit = settings.time === undefined ? undefined : slurmSeconds(settings.time)
  if (limit !== undefined && limit <= settings['signal-before']) {
    throw new InputError(
      `${where}: time must be longer than signal-before (${settings['signal-before']} seconds), got ${show(settings.time)}; give more time`,
    )
  }
  return settings
}

/** The settings that are sbatch's, as its options. */
export function sbatchSettings(
  settings: SlurmSettings,
  { workers }: { readonly workers: boolean },
): string[] {
  const fields = Object.keys(SBATCH_FIELDS) as (keyof typeof SBATCH_FIELDS)[]
  return fields.flatMap((field) => {
    const value = settings[field]
    return value === undefined || (!workers && WORKERS_ALONE.has(field)) ? [] : [`--${field}=${value}`]
  })
}

/** What computes: a GPU that was asked for is there to be used. */
export function slurmDevice({ device, gpus, gres }: SlurmSettings): SlurmSettings['device'] {
  return device ?? (gpus !== undefined || /(^|,)gpu\b/.test(gres ?? '') ? 'cuda' : undefined)
}
