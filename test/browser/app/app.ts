/**
 * The whole web app in Chromium, in every place where it computes: on the local server, in the page on WebAssembly and
 * on WebGPU (in software), and in the page of an export that lies below a path of a plain file host.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest'
import { openRuntime } from '../../../src/runtime/open-runtime.js'
import type { Runtime } from '../../../src/runtime/runtime.js'
import { serverEngine } from '../../../src/server/engine.js'
import { exportApp } from '../../../src/server/export.js'
import { MachineModels } from '../../../src/server/machine-models.js'
import { type RunningServer, startServer } from '../../../src/server/server.js'
import { Studies } from '../../../src/server/studies.js'
import { ModelPool } from '../../../src/ui/model-pool.js'
import type { CallName, Calls } from '../../../src/ui/protocol.js'
import { Workbench } from '../../../src/ui/workbench.js'
import { inChromium, launch, type Served, serve } from '../harness.js'

export { inChromium }

export const PLACES = ['server', 'wasm', 'webgpu', 'export'] as const
export type Place = (typeof PLACES)[number]

/** The path of the export on its host. */
const SITE = '/some/where/'
const START_MS = 60_000
/** Two cores that others use, too. */
const PATIENCE_MS = 45_000
/** 12 layers on a GPU in software. */
const WEBGPU_PATIENCE_MS = 45_000

export interface AppOptions {
  /** Makes run folders for the server in a folder. */
  readonly runs?: (dir: string) => Promise<void>
  /** Whether the export is needed, too. */
  readonly exported?: boolean
  /** Of the server's runtime. */
  readonly threads?: number
}

export interface OpenOptions extends BrowserContextOptions {
  readonly place?: Place
  /** Whether to listen to what engines answer, see `answered`. */
  readonly overhear?: boolean
  /** Runs in the page before the app. */
  readonly before?: () => void
}

export interface Shown {
  readonly page: Page
  /** Errors that nobody caught, and what the console says of errors and warnings. Must be empty when the test ends. */
  readonly complaints: string[]
}

export interface App {
  browser: Browser
  server: RunningServer
  /** The export on a host that sets no headers; only with `exported`. */
  site: Served
  /** A folder that is gone after the tests of the file; the server's runs are in its folder `runs`. */
  dir: string
  /** Open the app at a view's address, in a profile of its own that is closed after the test. */
  open(hash: string, options?: OpenOptions): Promise<Shown>
}

/** Call it at the top of a test file; its fields are there in the tests. */
export function app({ runs, exported = false, threads }: AppOptions = {}): App {
  const app = {} as App
  const shown: Shown[] = []
  const ending: (() => Promise<unknown> | undefined)[] = []
  beforeAll(async () => {
    if (!inChromium) return
    app.dir = mkdtempSync(join(tmpdir(), 'factflow-e2e-'))
    const places = join(app.dir, 'runs')
    mkdirSync(places)
    await runs?.(places)
    const faults: unknown[] = []
    const onNote = (note: string): unknown => faults.push(note)
    const runtime = await openRuntime({ threads }, onNote)
    const { pool, studies, engine } = await engineOn(runtime, places, onNote)
    app.server = await startServer({
      engine,
      app: inject('app'),
      hub: 'https://huggingface.co',
      port: 0,
      onFault: (fault) => faults.push(fault),
    })
    ending.push(
      () => app.server.close(),
      () => pool.close(),
      () => studies.close(),
      async () => runtime.close?.(),
      async () => expect(faults).toEqual([]),
    )
    if (exported) {
      const site = join(app.dir, 'site')
      await exportApp(inject('app'), site)
      app.site = await serve({ folders: { [SITE]: site } })
      ending.push(() => app.site.close())
    }
    app.browser = await launch()
  }, START_MS)
  afterEach(async () => {
    const open = shown.splice(0)
    for (const { page } of open) await page.context().close()
    expect(open.flatMap(({ complaints }) => complaints)).toEqual([])
  })
  afterAll(async () => {
    await app.browser?.close()
    if (app.dir) rmSync(app.dir, { recursive: true, force: true })
    for (const end of ending) await end()
  }, START_MS)

  app.open = async (hash, { place = 'server', overhear, before, ...options } = {}) => {
    const context = await app.browser.newContext(options)
    context.setDefaultTimeout(place === 'webgpu' ? WEBGPU_PATIENCE_MS : PATIENCE_MS)
    const page = await context.newPage()
    const one: Shown = { page, complaints: [] }
    shown.push(one)
    page.on('pageerror', (error) => one.complaints.push(String(error)))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) one.complaints.push(message.text())
    })
    if (overhear) await page.addInitScript(keepAnswers)
    if (before) await page.addInitScript(before)
    if (place === 'export') await page.goto(`${app.site.url.slice(0, -1)}${SITE}${hash}`)
    else {
      const computed = place === 'server' ? 'place=server' : `place=page&device=${place}`
      await page.goto(`${app.server.url}&${computed}${hash}`)
    }
    return one
  }
  return app
}

async function engineOn(runtime: Runtime, runs: string, onNote: (note: string) => void) {
  const models = await MachineModels.of([], runtime, runtime.freeMemory() / 2, { offline: true })
  const pool = new ModelPool(models)
  const studies = new Studies([runs], onNote)
  return { pool, studies, engine: serverEngine(new Workbench(pool), studies) }
}

type Answered = { readonly [Name in CallName]?: Calls[Name]['output'] }

declare global {
  interface Window {
    /** The newest answer to each call. */
    answered: Record<string, unknown>
  }
}

/** Runs in the page before the app: keeps what workers and the server answer. */
function keepAnswers(): void {
  window.answered = {}
  const OwnWorker = window.Worker
  window.Worker = class extends OwnWorker {
    readonly #calls = new Map<number, string>()
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options)
      this.addEventListener('message', ({ data }) => {
        if ('result' in data) window.answered[this.#calls.get(data.id) ?? ''] = data.result
      })
    }
    override postMessage(message: { kind: string; id: number; name: string }): void {
      if (message.kind === 'call') this.#calls.set(message.id, message.name)
      super.postMessage(message)
    }
  }
  const ownFetch = window.fetch
  window.fetch = async (input, init) => {
    const response = await ownFetch(input, init)
    const name = /\/api\/(\w+)$/.exec(String(input))?.[1]
    if (name !== undefined) {
      response
        .clone()
        .text()
        .then((text) => {
          const last = JSON.parse(text.trim().split('\n').at(-1)!)
          if ('result' in last) window.answered[name] = last.result
        })
        // Given up, as another question came.
        .catch(() => undefined)
    }
    return response
  }
}

/** What the page's engine answered last to a call, digit for digit. Opened with `overhear`. */
export async function answered<Name extends CallName>(
  page: Page,
  name: Name,
): Promise<Calls[Name]['output']> {
  const handle = await page.waitForFunction((call) => window.answered[call], name)
  return (await handle.jsonValue()) as NonNullable<Answered[Name]>
}

/** Fails unless something becomes true soon. */
export function soon<T>(read: () => Promise<T> | T) {
  return expect.poll(read, { timeout: PATIENCE_MS, interval: 50 })
}

/** Text of an element; spaces that do not break are spaces. */
export async function textOf(locator: Locator): Promise<string> {
  return plain((await locator.textContent())!.trim())
}

export function plain(text: string): string {
  return text.replaceAll('\u00a0', ' ')
}

/** The line at the foot of a view, once it says how long the knockouts took. */
export async function computedLine(page: Page): Promise<string> {
  const line = page.locator('.explore-foot').getByRole('status')
  await line.filter({ hasText: 'knockout' }).waitFor()
  return textOf(line)
}

/** Press a button that saves a file, and read it. */
export async function saved(page: Page, name: string): Promise<Buffer> {
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name, exact: true }).click()
  return readFileSync(await (await download).path())
}
