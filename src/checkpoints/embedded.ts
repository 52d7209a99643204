/** The models and facts that come with factflow. */
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's own folder, from src/checkpoints or dist/checkpoints. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** The embedded facts: see data/README.md. */
export const ATLAS_FILE = join(ROOT, 'data', 'atlas.jsonl')

export interface EmbeddedModel {
  readonly name: string
  readonly dir: string
}

/** The models in `models/`, by name. */
export async function embeddedModels(): Promise<EmbeddedModel[]> {
  const dir = join(ROOT, 'models')
  const entries = await readdir(dir, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, dir: join(dir, name) }))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}
