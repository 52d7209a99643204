/** What `factflow ui` does; apart from its definition, since DuckDB takes long to load. */
import { existsSync } from 'node:fs'
import process from 'node:process'
import { hubSettings } from '../checkpoints/hub-settings.js'
import { visibleText } from '../figures/text.js'
import { openRuntime } from '../runtime/open-runtime.js'
import { APP } from '../server/app-files.js'
import { serverEngine } from '../server/engine.js'
import { exportApp } from '../server/export.js'
import { MachineModels } from '../server/machine-models.js'
import { startServer } from '../server/server.js'
import { Studies } from '../server/studies.js'
import { RUNS } from '../studies/names.js'
import { ModelPool } from '../ui/model-pool.js'
import { Workbench } from '../ui/workbench.js'
import { canOpenBrowser, openBrowser } from './browser.js'
import { size } from './models.js'
import { type ComputeOptions, onNote } from './options.js'
import { withDownloads } from './progress.js'
import { note, plural, print } from './terminal.js'

export interface UiOptions extends ComputeOptions {
  readonly model?: readonly string[]
  readonly port?: number
  readonly open?: boolean
  readonly export?: string
  readonly json?: true
}

export async function uiAction(runs: readonly string[], options: UiOptions): Promise<void> {
  if (options.export !== undefined) await exportTo(options.export, options)
  else await serve(runs, options)
}

async function exportTo(dir: string, { json }: UiOptions): Promise<void> {
  const { files, bytes } = await exportApp(APP, dir)
  if (json) print(JSON.stringify({ folder: dir, files, bytes }))
  else print(`wrote ${plural(files, 'file')}, ${size(bytes)}, to ${visibleText(dir)}`)
}

async function serve(runs: readonly string[], options: UiOptions): Promise<void> {
  const { model: names = [], offline, memory, threads, device, dtype, tf32, port } = options
  // Where nothing is there yet, a study that runs beside may make some.
  const studies = new Studies(runs.length > 0 ? runs : [RUNS], once(onNote))
  if (runs.length > 0) await studies.check()
  const hub = await hubSettings({ offline })
  const runtime = await openRuntime({ threads, device, dtype, tf32 }, onNote)
  let pool: ModelPool | undefined
  try {
    const models = await withDownloads((onProgress) =>
      MachineModels.of(names, runtime, memory ?? runtime.freeMemory() / 2, { offline, onProgress, onNote }),
    )
    pool = new ModelPool(models)
    const engine = serverEngine(new Workbench(pool), studies)
    const server = await startServer({ engine, app: APP, hub: hub.endpoint, port, onFault: once(noteFault) })
    try {
      const ended = untilInterrupted()
      await announce(server, runs, options, studies)
      await ended
    } finally {
      await server.close()
    }
  } finally {
    await pool?.close()
    await studies.close()
    await runtime.close?.()
  }
}

async function announce(
  { url, port, token }: { readonly url: string; readonly port: number; readonly token: string },
  runs: readonly string[],
  { model = [], json, open = canOpenBrowser() }: UiOptions,
  studies: Studies,
): Promise<void> {
  const stored = (await studies.studies()).map(({ study }) => study)
  if (json) {
    print(JSON.stringify({ url, port, token, models: model, studies: stored }))
    return
  }
  const places = runs.length > 0 ? runs.join(', ') : existsSync(RUNS) ? `${RUNS}/` : ''
  const serves = [
    'the embedded models',
    ...model,
    ...(places ? [`${stored.length} stored in ${places}`] : []),
  ]
  print(`factflow is at ${url}`)
  print(`It serves ${visibleText(serves.join(', '))}. The address is for you alone; Ctrl-C ends the server.`)
  if (open) openBrowser(url)
}

/** Until Ctrl-C or SIGTERM; the next one ends the process at once. */
function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      process.off('SIGINT', end)
      process.off('SIGTERM', end)
      resolve()
    }
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
  })
}

function noteFault(text: string): void {
  note(`error: this is a fault of factflow, please report it\n${text}`)
}

/** Says each thing once. */
function once(say: (text: string) => void): (what: unknown) => void {
  const said = new Set<string>()
  return (what) => {
    const text = what instanceof Error ? (what.stack ?? what.message) : String(what)
    if (said.has(text)) return
    said.add(text)
    say(text)
  }
}
