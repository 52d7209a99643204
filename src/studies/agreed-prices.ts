/**
 * What evaluating a model costs, as all workers of a run folder take it, so that they share the work out alike. The
 * first of them that asks says so in a file, by what it sees of the model: another may see more, once the model has been
 * downloaded, and would find other shares. Results do not depend on it.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode, InputError } from '../errors.js'
import { createWhole, writeWhole } from '../results/whole-file.js'
import { type ModelSizes, modelSizes } from './model-here.js'
import { type ModelPrice, priceOf } from './shares.js'
import type { StudyModel } from './study.js'

const PREFIX = 'price-'

const agreed = z.object({
  format: z.literal('factflow-price/1'),
  model: z.string(),
  revision: z.string().optional(),
  /** Null where nothing was known of the model: it is taken for a middling one. */
  price: z.object({ layers: z.number(), layerFlops: z.number(), headFlops: z.number() }).nullable(),
})
type Agreed = z.infer<typeof agreed>

function fileOf(dir: string, { model, revision }: StudyModel): string {
  const id = createHash('sha256')
    .update(JSON.stringify([model, revision]))
    .digest('hex')
    .slice(0, 20)
  return join(dir, `${PREFIX}${id}.json`)
}

/** Undefined where there is no such file, or none that is whole. */
async function read(file: string): Promise<Agreed | undefined> {
  try {
    return agreed.safeParse(JSON.parse(await readFile(file, 'utf8'))).data
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/**
 * What has been agreed on a model; else what is known of it here.
 * @param sizes of the model, as they are known here
 * @returns undefined where nothing is known
 */
export async function knownPrice(
  dir: string,
  entry: StudyModel,
  sizes: ModelSizes | undefined,
): Promise<ModelPrice | undefined> {
  const there = await read(fileOf(dir, entry))
  if (there) return there.price ?? undefined
  return sizes && priceOf(sizes)
}

/** Agree on what is known of a model here, where nothing has been agreed before. @returns what is agreed */
export async function agreedPrice(dir: string, entry: StudyModel): Promise<ModelPrice | undefined> {
  const file = fileOf(dir, entry)
  const there = await read(file)
  if (there) return there.price ?? undefined
  const sizes = await modelSizes(entry)
  const price = sizes && priceOf(sizes)
  const { model, revision } = entry
  const own: Agreed = {
    ...{ format: 'factflow-price/1', model },
    ...(revision !== undefined && { revision }),
    price: price ?? null,
  }
  const text = `${JSON.stringify(own, null, 2)}\n`
  try {
    if (await createWhole(file, text)) return price
    const other = await read(file)
    if (other) return other.price ?? undefined
    await writeWhole(file, text)
  } catch (error) {
    // A full disk or a folder that is gone stops the work itself, which says so.
    if (!(error instanceof InputError)) throw error
  }
  return price
}
