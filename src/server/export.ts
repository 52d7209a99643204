/** Writes the web app as files that any web server can give: it computes in its visitor's browser then. */
import { copyFile, lstat, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { makeFolder } from '../checkpoints/make-folder.js'
import { errorCode, InputError, show } from '../errors.js'
import { systemReason, writeWhole } from '../results/whole-file.js'
import { appFiles } from './app-files.js'

/** Lists the files of an export, so that the next one can put its own in their place. */
const LIST = 'factflow-app.json'
const FORMAT = 'factflow-app/1'

/** Plain names, and nothing that leads out of the folder. */
const address = z.string().regex(/^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)*$/)
const list = z.object({ format: z.literal(FORMAT), files: z.array(address) })

export interface Exported {
  readonly files: number
  readonly bytes: number
}

/**
 * Copy the app to a folder: a new one, an empty one, or one that holds an earlier export, which is replaced.
 * @param app where the built app is
 * @throws InputError when the app was not built, or the folder holds something else or cannot be written to
 */
export async function exportApp(app: string, dir: string): Promise<Exported> {
  const files = await appFiles(app)
  try {
    await makeFolder(dir)
    await removeEarlier(dir)
    // First, so that an export that was stopped can be replaced, too.
    const text = JSON.stringify({ format: FORMAT, files: [...files.keys()] }, null, 2)
    await writeWhole(join(dir, LIST), `${text}\n`)
    let bytes = 0
    for (const [name, path] of files) {
      const to = join(dir, name)
      await makeFolder(dirname(to))
      await copyFile(path, to)
      bytes += (await stat(to)).size
    }
    return { files: files.size, bytes }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    throw new InputError(
      `--export: must be a folder or a place for one, got ${show(dir)} (${systemReason(error)}); choose another place`,
    )
  }
}

/** @throws InputError when the folder holds anything but an earlier export */
async function removeEarlier(dir: string): Promise<void> {
  const entries = await readdir(dir)
  if (entries.length === 0) return
  const earlier = await readList(dir)
  if (!earlier) {
    throw new InputError(
      `--export: must be a new or empty folder, or hold an earlier export, got ${show(dir)} with ${show(entries[0])} in it; choose another`,
    )
  }
  const folders = new Set<string>()
  for (const file of earlier) {
    for (let above = dirname(file); above !== '.'; above = dirname(above)) folders.add(above)
  }
  // The deepest first. A link in a folder's place would lead elsewhere.
  const deepest = [...folders].sort((a, b) => b.length - a.length)
  for (const folder of deepest) {
    const found = await lstat(join(dir, folder)).catch(() => undefined)
    if (!found || found.isDirectory()) continue
    throw new InputError(
      `--export: folders of an earlier export must be folders, got a link or file ${show(join(dir, folder))}; remove it`,
    )
  }
  for (const file of earlier) await rm(join(dir, file), { force: true })
  for (const folder of deepest) {
    await rmdir(join(dir, folder)).catch((error: unknown) => {
      // Somebody has put more into it, or it has gone.
      if (!['ENOTEMPTY', 'ENOENT', 'EEXIST'].includes(errorCode(error))) throw error
    })
  }
}

async function readList(dir: string): Promise<readonly string[] | undefined> {
  try {
    const parsed = list.safeParse(JSON.parse(await readFile(join(dir, LIST), 'utf8')))
    return parsed.success ? parsed.data.files : undefined
  } catch {
    return undefined
  }
}
