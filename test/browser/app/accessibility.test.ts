/** Every view in light and dark on phones, tablets and desks: axe, no overflow, no shifts of the layout while it loads. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { AxeResults, RunOptions } from 'axe-core'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { RunFolder } from '../../../src/results/run-folder.js'
import { EVALUATIONS, storeSample } from '../../studies/stored.js'
import { app, computedLine, inChromium } from './app.js'

const shown = app({
  runs: async (dir) => {
    await storeSample(join(dir, 'sample'))
    const folder = await RunFolder.at(join(dir, 'sample'), '1.0.0')
    await folder.write('evaluations', 'a', EVALUATIONS)
    folder.close()
  },
})
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Of good pages, as Lighthouse has it: 0.1; ours are to be better. */
const MOST_SHIFT = 0.05

declare global {
  interface Window {
    axe: { run(options: RunOptions): Promise<AxeResults> }
    shifts: { readonly value: number; readonly startTime: number }[]
  }
}

const VIEWS: readonly { view: string; hash: string; ready: (page: Page) => Promise<unknown> }[] = [
  {
    view: 'Explore',
    hash: '#/explore?model=tiny-gpt2&prompt=The+city+of+Manila+is+the+seat+of+government+of&subject=12-18&answer=Philippines&cell=3,5',
    ready: computedLine,
  },
  { view: 'Compare', hash: '#/compare', ready: computedLine },
  { view: 'Cut by hand', hash: '#/cut?model=tiny-gpt2', ready: computedLine },
  {
    view: 'Studies',
    hash: '#/studies?study=sample&line=subject&layer=3',
    ready: (page) => page.locator('.study-body:not(.is-stale) .study-plot circle').first().waitFor(),
  },
  {
    view: 'Learn, its beginning',
    hash: '#/learn',
    ready: (page) => page.locator('.learn-words').filter({ hasText: 'Nothing is cut' }).waitFor(),
  },
  {
    view: 'Learn, a step',
    hash: '#/learn?step=5',
    ready: (page) => page.locator('.learn-seen [aria-busy=false] .learn-verdict:not(.is-waiting)').waitFor(),
  },
]

/** Runs in the page before the app. */
function keepShifts(): void {
  window.shifts = []
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & {
      value: number
      hadRecentInput: boolean
    })[]) {
      if (!entry.hadRecentInput) window.shifts.push({ value: entry.value, startTime: entry.startTime })
    }
  }).observe({ type: 'layout-shift', buffered: true })
}

/** The largest burst of shifts: within a second of each other, five seconds at most. */
function layoutShift(shifts: Window['shifts']): number {
  let [most, sum, first, last] = [0, 0, 0, Number.NEGATIVE_INFINITY]
  for (const { value, startTime } of shifts) {
    if (startTime - last > 1000 || startTime - first > 5000) [sum, first] = [0, startTime]
    sum += value
    last = startTime
    most = Math.max(most, sum)
  }
  return most
}

describe.runIf(inChromium).each(VIEWS)('$view', ({ hash, ready }) => {
  it.each([380, 768, 1440])('at %i px', async (width) => {
    const { page } = await shown.open(hash, { viewport: { width, height: 900 }, before: keepShifts })
    await ready(page)
    const shifts = await page.evaluate(
      () =>
        new Promise<Window['shifts']>((done) =>
          requestAnimationFrame(() => setTimeout(() => done(window.shifts))),
        ),
    )
    expect(layoutShift(shifts)).toBeLessThan(MOST_SHIFT)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect(overflow).toBeLessThanOrEqual(0)
    await page.evaluate(AXE)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.locator(`html[data-theme=${colorScheme}]`).waitFor()
      expect(await graveViolations(page)).toEqual([])
    }
  })
})

/** What axe finds that is serious or critical, with where it is. */
async function graveViolations(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }))
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`),
    )
}
