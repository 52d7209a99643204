/** What a study reads that workers on other machines do not have: files and folders that are in no volume of theirs. */
import { existsSync } from 'node:fs'
import { embeddedModels } from '../checkpoints/embedded.js'
import { isHubId } from '../checkpoints/hub-id.js'
import { ATLAS, hubId } from '../datasets/read.js'
import { InputError, show } from '../errors.js'
import type { Study } from '../studies/study.js'
import { CACHE_PATH, type KubernetesSettings, RUNS_PATH } from './kubernetes-settings.js'

/**
 * Check that every file and folder that a study names lies in a volume of the workers.
 * @throws InputError that names the first one that does not, and how to bring it there
 */
export async function checkInputs(
  study: Study,
  settings: Pick<KubernetesSettings, 'mounts' | 'cacheClaim'>,
): Promise<void> {
  const volumes = [
    RUNS_PATH,
    ...(settings.cacheClaim === undefined ? [] : [CACHE_PATH]),
    ...settings.mounts.map(({ path }) => path),
  ]
  const embedded = (await embeddedModels()).map(({ name }) => name)
  const isElsewhere = (name: string): boolean =>
    embedded.includes(name) || (isHubId(name) && !existsSync(name))
  const local = [
    ...study.data.map(({ source }, i) => ({
      field: `data[${i}]`,
      path: source === ATLAS || hubId(source) !== undefined ? undefined : source,
    })),
    ...study.models.flatMap(({ model, tokenizer }, i) => [
      { field: `models[${i}]`, path: isElsewhere(model) ? undefined : model },
      {
        field: `models[${i}].tokenizer`,
        path: tokenizer === undefined || isElsewhere(tokenizer) ? undefined : tokenizer,
      },
    ]),
  ]
  for (const { field, path } of local) {
    if (path === undefined || volumes.some((volume) => path.startsWith(`${volume}/`))) continue
    throw new InputError(
      `${study.name}: ${field} must be in a volume of the workers (${volumes.join(', ')}), got ${show(path)}; put it into a claim, give --mount CLAIM:/data, and name it by its path there`,
    )
  }
}
