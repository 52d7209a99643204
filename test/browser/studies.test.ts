import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { signed } from '../../app/components/format.js'
import { questionOf } from '../../app/state/question.js'
import { Results } from '../../src/results/results.js'
import { RunFolder } from '../../src/results/run-folder.js'
import { studyCurves, studyEffects } from '../../src/studies/study-query.js'
import { EVALUATIONS, storeSample } from '../studies/stored.js'
import { ISOLATION, inChromium, launch, type Opened, openPage, type Served, serve } from './harness.js'

/** Nobody who is not the page's own may run code in it, as the local server says it. */
const POLICY = {
  'content-security-policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:",
}

let dir: string
let browser: Browser
let served: Served
let results: Results

beforeAll(async () => {
  if (!inChromium) return
  dir = mkdtempSync(join(tmpdir(), 'factflow-studies-'))
  await storeSample(join(dir, 'sample'))
  const folder = await RunFolder.at(join(dir, 'sample'), '1.0.0')
  await folder.write('evaluations', 'a', EVALUATIONS)
  folder.close()
  results = await Results.open([join(dir, 'sample')])
  served = await serve({ folders: { '/': inject('app') }, headers: { ...ISOLATION, ...POLICY } })
  browser = await launch()
}, 300_000)
afterAll(async () => {
  await browser?.close()
  await served?.close()
  results?.close()
  if (dir) rmSync(dir, { recursive: true, force: true })
})

async function pick(page: Page, button: string, files: string | string[]): Promise<void> {
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: button }).click()
  await (await chooser).setFiles(files)
}

/** The page with the sample run dropped on it. */
async function withSample(hash = '#/studies'): Promise<Opened> {
  const opened = await openPage(browser, `${served.url}${hash}`)
  await pick(opened.page, 'Pick a folder', join(dir, 'sample'))
  await opened.page.waitForSelector('.study-plot circle')
  return opened
}

/** What a screen reader hears of the point that is looked at. */
const said = (page: Page): Promise<string | null> =>
  page.locator('.study-plot svg').first().getAttribute('aria-valuetext')

const ASKED = { study: 'sample', known: 'any', model: ['deep'], window: [9], features: ['all'] } as const
const request = { ...ASKED, model: ['deep'], window: [9], features: ['all' as const] }

describe.runIf(inChromium)('the Studies view', () => {
  it('shows curves of a dropped folder, and the prompts behind a point', async () => {
    const { page, complaints } = await withSample()
    expect(page.url()).toContain('#/studies?study=sample&from=page')
    const plot = page.locator('.study-plot svg')
    await plot.focus()
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight')
    const [subject] = (await studyCurves(results, request)).filter(({ at }) => at.source === 'subject')
    const { mean, low, high } = subject!.points[3]!
    expect(await said(page)).toBe(
      `subject, layers 3–11: ${signed(mean)} (95 % interval ${signed(low!)} to ${signed(high!)}), 4 prompts`,
    )
    await page.keyboard.press('Enter')
    await page.waitForSelector('.outliers tbody tr')
    const { lowest } = await studyEffects(results, {
      ...{ ...ASKED, model: 'deep', window: 9, features: 'all', dataset: 'd', source: 'subject' },
      ...{ target: 'last', firstLayer: 3, outliers: 10 },
    })
    const rows = await page.locator('.outliers tbody tr').allTextContents()
    expect(rows).toHaveLength(lowest.length)
    for (const [i, { prompt }] of lowest.entries()) expect(rows[i]).toContain(prompt)
    const link = await page.getByRole('link', { name: lowest[0]!.prompt! }).getAttribute('href')
    expect(link).toMatch(/^#\/explore\?/)
    expect(questionOf(new URLSearchParams(link!.slice(link!.indexOf('?'))))).toMatchObject({
      ...{ model: 'x/deep', prompt: lowest[0]!.prompt, subject: { start: 11, end: 12 }, answer: ' ax' },
      ...{ window: 9, target: 'last', features: 'all' },
      point: { flow: { source: 'subject', target: 'last', features: 'all' }, start: 3 },
    })
    expect(complaints).toEqual([])
    await page.context().close()
  })

  it('keeps every choice in the address, and restores it', async () => {
    const { page, complaints } = await withSample()
    await page.getByLabel('Lines differ in').selectOption('features')
    await page.getByLabel('Plots differ in').selectOption('model')
    await page.getByRole('checkbox', { name: 'context-independent' }).click()
    await page.getByRole('radio', { name: 'known', exact: true }).click()
    await page.getByRole('radio', { name: 'accuracy' }).click()
    await page.getByLabel('Add a relation').selectOption('capital')
    await page
      .locator('.study-plot svg')
      .first()
      .click({ position: { x: 200, y: 100 } })
    await page.waitForSelector('.outliers tbody tr')
    const url = page.url()
    expect(url).toContain(
      '#/studies?study=sample&from=page&lines=features&panels=model&features=all&features=context-dependent&relation=capital&known=known&value=accuracy&',
    )
    const shown = await page.locator('.study-body').textContent()
    const again = await withSample()
    await again.page.goto(url)
    await again.page.waitForSelector('.outliers tbody tr')
    expect(await again.page.locator('.study-body').textContent()).toBe(shown)
    expect([...complaints, ...again.complaints]).toEqual([])
    await page.context().close()
    await again.page.context().close()
  })

  it('saves figures as the command line draws them, where no code may be made of text', async () => {
    const { page, complaints } = await withSample()
    await page.getByRole('button', { name: 'Export' }).click()
    const saved = async (name: string): Promise<Buffer> => {
      const download = page.waitForEvent('download')
      await page.getByRole('button', { name, exact: true }).click()
      return readFileSync(await (await download).path())
    }
    const svg = (await saved('SVG')).toString()
    const [, width, height] = /viewBox="\S+ \S+ (\d+) (\d+)"/.exec(svg)!
    expect(svg.match(/@font-face/g)).toHaveLength(2)
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)/g)].map(([, text]) => text!.replaceAll('\u00a0', ' '))
    for (const text of ['subject', 'first layer of the window (w = 9)', 'change of p(answer), %']) {
      expect(texts).toContain(text)
    }
    const png = await saved('PNG')
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2 * Number(width), 2 * Number(height)])
    const spec = JSON.parse((await saved('Vega-Lite')).toString()) as { data: { values: { mean: number }[] } }
    const means = (await studyCurves(results, request)).flatMap(({ points }) =>
      points.map(({ mean }) => mean),
    )
    const drawn = spec.data.values.map(({ mean }) => mean)
    expect(drawn).toHaveLength(means.length)
    for (const mean of means) expect(drawn).toContain(Number(mean.toPrecision(6)))
    expect(await page.locator('.command').textContent()).toMatch(
      /^factflow figure sample --lines source --where model=deep/,
    )
    expect(complaints).toEqual([])
    await page.context().close()
  })

  it('takes files that are let fall anywhere, and says what it cannot use', async () => {
    const { page, complaints } = await openPage(browser, `${served.url}#/studies`)
    await page.getByText('No study is here yet').waitFor()
    const flow = {
      ...{ model: 'tiny', data: 'atlas', nLayers: 3, window: 1 },
      curves: [
        {
          ...{ source: 'subject', target: 'last', features: 'all' },
          points: [0, 1, 2].map((firstLayer) => {
            return { firstLayer, mean: -10, low: -12, high: -8, accuracy: 50, n: 9 }
          }),
        },
      ],
    }
    await page.evaluate((text) => {
      const transfer = new DataTransfer()
      transfer.items.add(new File([text], 'flow.json'))
      transfer.items.add(new File(['no'], 'part-1.parquet'))
      document.body.dispatchEvent(
        new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }),
      )
    }, JSON.stringify(flow))
    await page.waitForSelector('.study-plot circle')
    expect(page.url()).toContain('#/studies?study=flow.json&from=page')
    expect(await page.getByRole('alert').textContent()).toMatch(
      /part-1\.parquet: must be a whole Parquet file/,
    )
    await page.getByText('These results are means alone.').waitFor()
    // The page keeps nothing.
    await page.reload()
    await page.getByText('“flow.json” was dropped on the page before').waitFor()
    expect(complaints).toEqual([])
    await page.context().close()
  })
})
