/**
 * Pictures of the web app: `npm run screenshots -- runs/demo` makes those of README.md and docs/app.md; with a folder
 * behind it, every view at three widths, light and dark, to be looked at. Needs a build, Chromium and a run folder.
 */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { launch } from '../../test/browser/harness.js'

const HERE = dirname(fileURLToPath(import.meta.url))

interface Shot {
  readonly name: string
  readonly hash: string
  /** What must be on the page before it is taken. */
  readonly ready: string
  /** Pressed first. */
  readonly press?: string
}

const MANILA = 'prompt=The+city+of+Manila+is+the+seat+of+government+of&subject=12-18&answer=Philippines'
const CELL = '[role=gridcell]'
const VIEWS: readonly Shot[] = [
  { name: 'explore', hash: `explore?model=tiny-mamba2&${MANILA}&cell=3,8`, ready: CELL },
  { name: 'compare', hash: 'compare', ready: `${CELL}, .compare-words` },
  {
    name: 'cut',
    hash: `cut?model=tiny-mamba2&${MANILA}&cuts=A:s3.t9.l8-16;B:s8.t9.l0-8;C:s0-2.t3.l0-11`,
    ready: '.cut-list li, [aria-label="Knockouts"] li',
  },
  {
    name: 'studies',
    hash: 'studies',
    ready: '.curves path, svg path',
    press: 'svg [role=slider], [role=slider]',
  },
  { name: 'learn', hash: 'learn?step=1', ready: '.curves path' },
]

/** The pictures of the documentation: the view, its width and height, its colours. */
const DOCUMENTED = [
  ['explore', 1280, 1000, 'light'],
  ['cut', 1280, 1000, 'light'],
  ['compare', 1280, 1000, 'dark'],
  ['studies', 1280, 1000, 'dark'],
] as const

const WIDTHS = [
  [380, 800],
  [820, 1000],
  [1500, 950],
] as const

async function take(
  browser: Browser,
  url: string,
  { hash, ready, press }: Shot,
  [width, height]: readonly [number, number],
  theme: 'light' | 'dark',
  path: string,
  fullPage: boolean,
): Promise<void> {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme })
  await page.goto(`${url}#/${hash}`)
  await page.waitForSelector(ready, { timeout: 60_000 })
  if (press) {
    await page.locator(press).first().focus()
    for (const key of ['End', 'Enter']) await page.keyboard.press(key)
  }
  // Until nothing is computed any more.
  await page.waitForFunction(
    () => !document.querySelector('[aria-busy="true"], .is-stale, progress'),
    undefined,
    {
      timeout: 60_000,
      polling: 400,
    },
  )
  await page.waitForTimeout(600)
  await page.screenshot({ path, fullPage })
  await page.close()
}

async function main(): Promise<void> {
  const [run, folder] = process.argv.slice(2)
  if (run === undefined) throw new Error('name a run folder: npm run screenshots -- runs/demo')
  const server = spawn(process.execPath, ['dist/cli/main.js', 'ui', run, '--json', '--no-open'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const browser = await launch()
  try {
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: server.stdout }).once('line', resolve)
      server.once('exit', (code) => reject(new Error(`factflow ui ended with ${code}`)))
    })
    const { url } = JSON.parse(line) as { url: string }
    if (folder === undefined) {
      for (const [name, width, height, theme] of DOCUMENTED) {
        const shot = VIEWS.find((view) => view.name === name)!
        await take(browser, url, shot, [width, height], theme, join(HERE, `${name}.png`), false)
      }
      return
    }
    mkdirSync(folder, { recursive: true })
    for (const shot of VIEWS)
      for (const size of WIDTHS)
        for (const theme of ['light', 'dark'] as const)
          await take(
            browser,
            url,
            shot,
            size,
            theme,
            join(folder, `${shot.name}-${size[0]}-${theme}.png`),
            true,
          )
  } finally {
    await browser.close()
    server.kill()
  }
}

await main()
