/** What `factflow kubernetes` is told: how many workers, of which image, on which nodes, with which volumes. */
import { posix } from 'node:path'
import { z } from 'zod'
import { InputError, show } from '../errors.js'
import { DEVICES, DTYPES } from '../runtime/open-runtime.js'
import { SIZED } from '../sized.js'
import { issueError } from '../studies/study.js'

/** Where volumes are in a worker. */
export const RUNS_PATH = '/runs'
export const CACHE_PATH = '/cache'
export const STUDY_PATH = '/study'
const OWN_PATHS = [RUNS_PATH, CACHE_PATH, STUDY_PATH, '/tmp']

/** RFC 1123: names of Jobs, whose Pods' host names must be labels of at most 63 characters with `-report-12345` behind. */
const MOST_OF_NAME = 48
const label = (most: number) =>
  z
    .string()
    .max(most, SIZED)
    .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'small letters, digits and - (a DNS label)')
const objectName = z
  .string()
  .max(253, SIZED)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'small letters, digits, - and . (the name of an object)')
const text = z.string().trim().min(1, SIZED)
const count = z.int().min(1)

/** Jobs have at most 100,000 completions, and two for each share; the rules for more than 10,000 are others. */
const MOST_SHARDS = 5000

/** Quantities of Kubernetes; of memory with a unit, as 8 would be eight bytes. */
const cpu = z
  .union([z.number().positive(), z.string()])
  .transform(String)
  .pipe(
    z.string().regex(/^(?!0+(\.0+)?m?$)(\d+(\.\d{1,3})?|\d+m)$/, 'a number of processors such as 4 or 500m'),
  )
const MEMORY = /^(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)$/
const memory = z.string().regex(MEMORY, 'a quantity of memory with its unit such as 8Gi')

const toleration = z.strictObject({
  key: text.optional(),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.int().optional(),
})

const mount = z.strictObject({
  claim: objectName.describe('PersistentVolumeClaim.'),
  path: z
    .string()
    .regex(/^\/[^:]+$/, 'a path from the root')
    .refine((path) => posix.normalize(path).replace(/\/$/, '') === path, 'must be a path without . and ..')
    .refine(
      (path) => !OWN_PATHS.some((own) => path === own || path.startsWith(`${own}/`)),
      `must be beside ${OWN_PATHS.join(', ')}`,
    ),
})

/** A settings file; flags are the same by other names. */
export const kubernetesSchema = z.strictObject({
  $schema: z.string().optional(),
  name: label(MOST_OF_NAME).optional().describe('Name of the Job; default the study’s.'),
  namespace: label(63).optional().describe('Default: that of kubectl’s context.'),
  image: text.optional().describe('Image with factflow in it, see Dockerfile.'),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  imagePullSecret: objectName.optional().describe('Secret by which the image may be pulled.'),
  shards: count.max(MOST_SHARDS).default(8).describe('Shares of the work.'),
  parallelism: count
    .max(2 * MOST_SHARDS)
    .optional()
    .describe('Workers at a time; default: one a share.'),
  gpus: z.int().min(0).max(1).default(0).describe('GPUs of a worker: it uses one.'),
  gpuResource: text.default('nvidia.com/gpu').describe('What the cluster calls them.'),
  cpu: cpu.default('4').describe('Processors of a worker: requested, limit, and threads.'),
  memoryLimit: memory.default('8Gi').describe('Memory of a worker: requested and limit.'),
  memory: text
    .regex(/^\d+(\.\d+)? *([KMGT]i?)?B?$/i, 'a size such as 4GB')
    .optional()
    .describe(
      'Memory for weights and rows, as of factflow study; default: half of memoryLimit, on a GPU half of what is free there.',
    ),
  device: z.enum(DEVICES).optional().describe('Default: cuda with a GPU, else cpu.'),
  dtype: z.enum(DTYPES).optional(),
  tf32: z.boolean().optional(),
  offline: z.boolean().optional().describe('Make no request: models and data are in the cache.'),
  claim: objectName
    .optional()
    .describe(
      `PersistentVolumeClaim for the run folder, at ${RUNS_PATH}: ReadWriteMany, unless all workers share a node.`,
    ),
  out: z
    .string()
    .refine(isInside, 'must be a path inside of the claim')
    .optional()
    .describe('Run folder in the claim; default the study’s name.'),
  cacheClaim: objectName
    .optional()
    .describe(
      `PersistentVolumeClaim for Hugging Face’s cache, at ${CACHE_PATH}; default: the folder huggingface in claim.`,
    ),
  mounts: z.array(mount).default([]).describe('Claims with models or data of one’s own: read only.'),
  secret: objectName.optional().describe('Secret whose key HF_TOKEN is the token for gated models.'),
  nodeSelector: z.record(text, z.string()).default({}),
  tolerations: z.array(toleration).default([]),
  runtimeClass: objectName.optional().describe('RuntimeClass of workers, nvidia on some clusters.'),
  priorityClass: objectName.optional(),
  labels: z.record(text, z.string()).default({}).describe('More labels of Jobs and Pods, for queues.'),
  user: z
    .union([z.int().min(1), z.null()])
    .default(1000)
    .describe(
      'Id of user and group of the processes, who owns the files; null: of the image or the cluster.',
    ),
  wait: z.int().min(0).default(60).describe('Minutes that a sweep waits for evaluations of other shares.'),
  reportWait: z.int().min(0).default(1440).describe('Minutes that the report waits for all sweeps.'),
  retries: z.int().min(0).default(6).describe('How often a share is tried again when it fails.'),
  grace: z.int().min(1).default(120).describe('Seconds from SIGTERM to SIGKILL: more than one unit of work.'),
})

/** As a file has them, and flags. */
export type KubernetesInput = z.input<typeof kubernetesSchema>
/** With defaults. */
export type KubernetesSettings = z.output<typeof kubernetesSchema>
/** With all that objects need. */
export type JobSettings = KubernetesSettings & {
  readonly image: string
  readonly claim: string
  readonly device: NonNullable<KubernetesSettings['device']>
}

/** Whether a path stays in the folder that it begins in. */
function isInside(path: string): boolean {
  const whole = posix.normalize(path)
  return path !== '' && !path.startsWith('/') && whole !== '.' && whole !== '..' && !whole.startsWith('../')
}

/**
 * Check the fields that are there.
 * @param where names the file, or the command whose flags they are
 * @throws InputError
 */
export function checkKubernetes(json: unknown, where: string): KubernetesInput {
  const parsed = kubernetesSchema.safeParse(json, { reportInput: true })
  if (!parsed.success) throw issueError(parsed.error.issues[0]!, where, 'settings', 'see docs/cluster.md')
  return json as KubernetesInput
}

/**
 * What Jobs need beyond the defaults.
 * @throws InputError when something that must be given is not, or fields contradict one another
 */
export function jobSettings(settings: KubernetesSettings): JobSettings {
  const { image, claim } = settings
  if (image === undefined) {
    throw new InputError('--image: must be given, got nothing; name an image that has factflow (Dockerfile)')
  }
  if (claim === undefined) {
    throw new InputError(
      '--claim: must be given, got nothing; name the PersistentVolumeClaim that holds the run folder',
    )
  }
  const device = settings.device ?? (settings.gpus > 0 ? 'cuda' : 'cpu')
  if (device === 'cuda' && settings.gpus === 0) {
    throw new InputError('--gpus: must be 1 for --device cuda, got 0; give --gpus 1')
  }
  const paths = settings.mounts.map(({ path }) => path)
  const twice = paths.find((path, i) => paths.indexOf(path) < i)
  if (twice !== undefined) {
    throw new InputError(`--mount: paths must differ, got ${show(twice)} twice; change one`)
  }
  return { ...settings, image, claim, device }
}

const BYTES: Readonly<Record<string, number>> = {
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

/** Bytes of a quantity of memory. */
export function memoryBytes(quantity: string): number {
  const [, amount, unit] = MEMORY.exec(quantity)!
  return Math.floor(Number(amount) * BYTES[unit!]!)
}

/** Whole processors of a quantity, one at least. */
export function wholeProcessors(quantity: string): number {
  const processors = quantity.endsWith('m') ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity)
  return Math.max(1, Math.floor(processors))
}
