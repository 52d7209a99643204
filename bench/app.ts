/**
 * How fast is the web app? The built app in headless Chromium with an empty cache: bytes that the page itself fetches
 * until the first result (its workers fetch ONNX Runtime and the model beside), time to it from opening the address and
 * from the page's load event, time of a change of the window (median of ten, from the input to the new heatmap on the
 * page), layout shift. Computed by the server, and in the page on WebAssembly with threads (the server's headers) and
 * with one (a plain file host).
 *
 *   npm run bench:app
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import type { Browser } from 'playwright-core'
import { tableLines } from '../src/cli/table.js'
import { percentile } from '../src/results/statistics.js'
import { launch, serve } from '../test/browser/harness.js'

const CLI = ['dist/cli/main.js', 'ui', '--no-open']
const WINDOWS = [8, 7, 6, 5, 4, 10, 11, 12, 13, 14]

interface Measured {
  /** From opening the address, and from the page's load event. */
  readonly first: number
  readonly afterLoad: number
  readonly change: number
  readonly transferred: number
  readonly shift: number
}

async function measure(browser: Browser, url: string): Promise<Measured> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  const page = await context.newPage()
  const network = await context.newCDPSession(page)
  let transferred = 0
  await network.send('Network.enable')
  network.on('Network.loadingFinished', ({ encodedDataLength }) => {
    transferred += encodedDataLength
  })
  // What workers fetch is not of the page's session.
  await network.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: true,
  })
  await page.addInitScript(() => {
    const shifts = window as unknown as { shift: number }
    shifts.shift = 0
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { value, hadRecentInput } = entry as unknown as { value: number; hadRecentInput: boolean }
        if (!hadRecentInput) shifts.shift += value
      }
    }).observe({ type: 'layout-shift', buffered: true })
  })
  const began = performance.now()
  await page.goto(`${url}#/explore`)
  const loaded = performance.now()
  await page.waitForSelector('[role=gridcell]', { timeout: 120_000 })
  const [first, afterLoad] = [began, loaded].map((since) => performance.now() - since) as [number, number]
  const shift = await page.evaluate(() => (window as unknown as { shift: number }).shift)
  await page.waitForTimeout(1000)
  const changes: number[] = []
  for (const window of WINDOWS) {
    changes.push(
      await page.evaluate(async (layers) => {
        const slider = document.querySelector<HTMLInputElement>('.controls input[type=range]')!
        const start = performance.now()
        slider.value = String(layers)
        slider.dispatchEvent(new Event('input', { bubbles: true }))
        const columns = Number(slider.max) - layers + 1
        while (document.querySelector('[role=row]')?.querySelectorAll('[role=gridcell]').length !== columns)
          await new Promise((next) => requestAnimationFrame(next))
        return performance.now() - start
      }, window),
    )
    await page.waitForTimeout(200)
  }
  await context.close()
  changes.sort((a, b) => a - b)
  return { first, afterLoad, change: percentile(changes, 0.5), transferred, shift }
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'factflow-app-'))
  const site = join(folder, 'site')
  await new Promise<void>((done, fail) =>
    spawn(process.execPath, [...CLI, '--export', site], { stdio: 'ignore' }).once('exit', (code) =>
      code === 0 ? done() : fail(new Error(`factflow ui --export ended with ${code}`)),
    ),
  )
  const server = spawn(process.execPath, [...CLI, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const plain = await serve({ folders: { '/site/': site } })
  const browser = await launch()
  try {
    const line = await new Promise<string>((done) =>
      createInterface({ input: server.stdout }).once('line', done),
    )
    const { url } = JSON.parse(line) as { url: string }
    const places: readonly (readonly [string, string])[] = [
      ['server', `${url}&place=server`],
      ['page, WebAssembly, threads', `${url}&place=page&device=wasm`],
      ['page, WebAssembly, one thread', `${plain.url}site/index.html?device=wasm`],
    ]
    const rows = [
      [
        'COMPUTED BY',
        'FIRST RESULT',
        'AFTER LOAD',
        'CHANGE OF WINDOW',
        'FETCHED BY THE PAGE',
        'LAYOUT SHIFT',
      ],
    ]
    for (const [name, address] of places) {
      const { first, afterLoad, change, transferred, shift } = await measure(browser, address)
      rows.push([
        name,
        `${Math.round(first)} ms`,
        `${Math.round(afterLoad)} ms`,
        `${Math.round(change)} ms`,
        `${Math.round(transferred / 1000)} kB`,
        shift.toFixed(4),
      ])
    }
    for (const line of tableLines(rows, new Set([0]))) process.stdout.write(`${line}\n`)
  } finally {
    await browser.close()
    await plain.close()
    server.kill()
    await rm(folder, { recursive: true })
  }
}

await main()
