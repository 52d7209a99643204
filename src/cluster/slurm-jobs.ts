/** `slurm/jobs.json` of a run folder: which jobs of Slurm are of this run, with which settings. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode, InputError, show } from '../errors.js'
import { systemReason, writeWhole } from '../results/whole-file.js'
import { STAGES } from '../studies/names.js'
import { parseStudy, type Study } from '../studies/study.js'
import { slurmSchema } from './slurm-settings.js'

const FORMAT = 'factflow-slurm/1'

const jobs = z.object({
  format: z.literal(FORMAT),
  /** The study's name. */
  study: z.string(),
  /** Where relative paths of the study begin. */
  cwd: z.string(),
  settings: slurmSchema,
  jobs: z.array(
    z.object({
      id: z.string().regex(/^\d+$/),
      stage: z.enum(STAGES),
      /** Tasks of an array. */
      shards: z.array(z.int().min(1)).optional(),
      submitted: z.string(),
    }),
  ),
})
export type SlurmJobs = Omit<z.infer<typeof jobs>, 'format'>
export type SlurmJob = SlurmJobs['jobs'][number]

/** The folder of scripts, logs and jobs.json. */
export function slurmFolder(out: string): string {
  return join(out, 'slurm')
}

/** Where the study is as it was submitted. */
export function submittedFile(out: string): string {
  return join(slurmFolder(out), 'study.json')
}

/** The study as it was submitted. @throws InputError when it is not there any more, or damaged */
export async function submittedStudy(out: string): Promise<Study> {
  const file = submittedFile(out)
  try {
    return parseStudy(JSON.parse(await readFile(file, 'utf8')), file)
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError(
      `${file}: must be the study that was submitted, got ${systemReason(error)}; restore it`,
    )
  }
}

function jobsFile(out: string): string {
  return join(slurmFolder(out), 'jobs.json')
}

/** The jobs of a run folder; undefined when none was ever submitted. @throws InputError when the file is damaged */
export async function readJobs(out: string): Promise<SlurmJobs | undefined> {
  const file = jobsFile(out)
  try {
    const { format: _, ...rest } = jobs.parse(JSON.parse(await readFile(file, 'utf8')))
    return rest
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined
    const got =
      error instanceof z.ZodError ? error.issues[0]!.path.join('.') || 'another form' : systemReason(error)
    throw new InputError(
      `${file}: must be what factflow slurm wrote, got ${show(got)}; cancel the run’s jobs with scancel, remove the file and submit anew`,
    )
  }
}

export async function writeJobs(out: string, value: SlurmJobs): Promise<void> {
  await writeWhole(jobsFile(out), `${JSON.stringify({ format: FORMAT, ...value }, null, 2)}\n`)
}
