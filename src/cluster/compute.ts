/** How workers of a cluster compute: options of `factflow study` that a cluster's settings have, too. */
import { z } from 'zod'
import { DEVICES, DTYPES } from '../runtime/open-runtime.js'

/** One line, as a command line or a script can have it. */
export const line = z
  .string()
  .regex(/^\P{Cc}*$/u, 'no line ends and no control characters')
  .refine((text) => text.trim() !== '', 'must not be empty')

export const computeFields = {
  models: z.array(line).min(1).optional().describe('Labels of the study’s models to compute; default all.'),
  memory: z
    .string()
    .regex(/^\s*\d+(\.\d+)?\s*[A-Za-z]*\s*$/, 'a size such as 4GB or 512MiB')
    .optional()
    .describe(
      'Memory for weights and rows, such as 4GB; default half of what a worker finds free, which may differ from node to node.',
    ),
  threads: z.int().min(1).optional().describe('Threads of a worker; default its processors.'),
  device: z.enum(DEVICES).optional().describe('What computes; default cpu, with GPUs cuda.'),
  dtype: z.enum(DTYPES).optional().describe('Of weights and matrix products; default float32.'),
  tf32: z.boolean().optional().describe('Matrix products on CUDA in TF32.'),
  offline: z.boolean().optional().describe('Make no request: use models and data in the cache alone.'),
}

const compute = z.strictObject(computeFields)
export type ComputeSettings = z.infer<typeof compute>

/** The settings as arguments of `factflow study`, but `threads`, whose default is for the cluster to say. */
export function computeArguments({
  models,
  memory,
  device,
  dtype,
  tf32,
  offline,
}: ComputeSettings): string[] {
  return [
    ...(models ? ['--models', ...models] : []),
    ...(memory === undefined ? [] : ['--memory', memory]),
    ...(device === undefined ? [] : ['--device', device]),
    ...(dtype === undefined ? [] : ['--dtype', dtype]),
    ...(tf32 ? ['--tf32'] : []),
    ...(offline ? ['--offline'] : []),
  ]
}
