/**
 * Pages in a real Chromium: built with Vite, served with or without the headers of cross-origin isolation, opened in a
 * headless browser that has WebGPU in software (SwiftShader).
 */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, extname, join, normalize, sep } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build, defaultClientConditions, type InlineConfig } from 'vite'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** FACTFLOW_CHROMIUM, or the system's; undefined when there is none. */
export const CHROMIUM = [
  process.env.FACTFLOW_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path))

/** Whether tests can run in a browser. */
export const inChromium = CHROMIUM !== undefined
if (!inChromium) {
  process.stderr.write(
    'skipped: tests in a browser, as there is no Chromium: install it (Debian: apt-get install chromium) or name one with FACTFLOW_CHROMIUM\n',
  )
}

/** Start the browser. Close it. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--enable-unsafe-webgpu',
      '--enable-unsafe-swiftshader',
      '--use-webgpu-adapter=swiftshader',
      // Chromium's sandbox does not run as root, nor its shared memory in small containers.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-dev-shm-usage',
    ],
  })
}

/** A folder of built files. Remove it. */
export interface Built {
  readonly dir: string
  remove(): void
}

/** Build a page with Vite as the app is built: workers are modules, ONNX Runtime's files lie beside the bundle. */
export async function buildPage(root: string, config: InlineConfig = {}): Promise<Built> {
  const dir = mkdtempSync(join(tmpdir(), 'factflow-page-'))
  await build({
    configFile: false,
    logLevel: 'warn',
    root,
    base: './',
    resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
    worker: { format: 'es' },
    build: { outDir: dir, emptyOutDir: true, target: 'es2022', minify: false },
    ...config,
  })
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** The headers that let a page share memory among threads. */
export const ISOLATION: Readonly<Record<string, string>> = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}

export interface ServeOptions {
  /** Path to folder; the longest that fits counts. `/ort/`, `/models/` and `/fixtures/` are there already. */
  readonly folders: Readonly<Record<string, string>>
  /** Headers of every answer, `ISOLATION` for instance; default none. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Served {
  /** With a slash at its end. */
  readonly url: string
  /** Paths that were asked for, in order. */
  readonly asked: string[]
  close(): Promise<void>
}

const COMMON: Readonly<Record<string, string>> = {
  '/ort/': join(ROOT, 'node_modules', 'onnxruntime-web', 'dist'),
  '/models/': join(ROOT, 'models'),
  '/fixtures/': join(ROOT, 'test', 'fixtures'),
}

/** Serve folders as a plain file host does, on a port of their own. Close it. */
export async function serve({ folders, headers = {} }: ServeOptions): Promise<Served> {
  const places = Object.entries({ ...COMMON, ...folders }).sort(([a], [b]) => b.length - a.length)
  const asked: string[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = decodeURIComponent(new URL(request.url!, 'http://any').pathname)
    asked.push(path)
    const [prefix, folder] = places.find(([place]) => path.startsWith(place)) ?? []
    const file = folder && normalize(join(folder, path.slice(prefix!.length) || 'index.html'))
    if (!file?.startsWith(folder + sep) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404, headers).end()
      return
    }
    const content = await readFile(file)
    const type = TYPES[extname(file)] ?? 'application/octet-stream'
    response.writeHead(200, { ...headers, 'content-type': type, 'content-length': content.length })
    response.end(request.method === 'HEAD' ? undefined : content)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  }
}

/** A page with what went wrong in it: errors that nobody caught, and what the console says of errors and warnings. */
export interface Opened {
  readonly page: Page
  readonly complaints: string[]
}

/** Open a page in a browser profile of its own. Its context is to be closed. */
export async function openPage(browser: Browser, url: string): Promise<Opened> {
  const context = await browser.newContext()
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  await page.goto(url)
  return { page, complaints }
}

/** The page of `test/browser/page`, whose worker has the core. */
export const CORE_PAGE = join(ROOT, 'test', 'browser', 'page')

/** Ask the worker of `CORE_PAGE`, see its worker.ts. @throws Error with `name: message` of what the worker threw */
export function ask<T>(page: Page, call: string, args: unknown = {}): Promise<T> {
  return page.evaluate(([name, given]) => window.ask(name as string, given), [
    call,
    args,
  ] as const) as Promise<T>
}
