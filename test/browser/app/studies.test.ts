/** Studies of the server: filters, the prompts behind a point, exports, and the command that is printed. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { signed } from '../../../app/components/format.js'
import { RunFolder } from '../../../src/results/run-folder.js'
import { change, EVALUATIONS, PROMPTS, storeSample } from '../../studies/stored.js'
import { app, inChromium, plain, saved, soon, textOf } from './app.js'

async function runs(dir: string): Promise<void> {
  await storeSample(join(dir, 'sample'))
  const folder = await RunFolder.at(join(dir, 'sample'), '1.0.0')
  // A model that can be opened.
  folder.file.models.deep = { ...folder.file.models.deep!, source: 'tiny-mamba1' }
  await folder.save()
  await folder.write('evaluations', 'a', EVALUATIONS)
  folder.close()
}
const shown = app({ runs })

const plot = (page: Page) => page.locator('.study-plot').getByRole('slider').first()
async function ready(page: Page): Promise<void> {
  await page.locator('.study-body:not(.is-stale) .study-plot circle').first().waitFor()
}
async function at(page: Page): Promise<string> {
  return plain((await plot(page).getAttribute('aria-valuetext'))!)
}
const mean = (values: readonly number[]): string =>
  plain(signed(values.reduce((sum, value) => sum + value, 0) / values.length))
const changes = (prompts: readonly string[], features: string, first: number): number[] =>
  prompts.map((prompt) => change('deep', 'subject', features, first, prompt))

describe.runIf(inChromium)('Studies of the server', () => {
  it('shows the newest study, filtered by model, features and what is known', async () => {
    const { page } = await shown.open('#/studies')
    await ready(page)
    expect(page.url()).toContain('study=sample')
    await plot(page).press('ArrowRight')
    await plot(page).press('ArrowRight')
    // The window that was looked at last stays the one that is spoken of.
    const [first] = /layers (\d+)/
      .exec(await at(page))!
      .slice(1)
      .map(Number)
    expect(await at(page)).toContain(
      `subject, layers ${first}–${first! + 8}: ${mean(changes(PROMPTS, 'all', first!))}`,
    )
    await page.getByRole('combobox', { name: 'Features', exact: true }).selectOption('context-dependent')
    await ready(page)
    await soon(() => at(page)).toContain(mean(changes(PROMPTS, 'context-dependent', first!)))
    await page.getByRole('combobox', { name: 'Features', exact: true }).selectOption('all')
    await page.getByRole('combobox', { name: 'Prompt set', exact: true }).selectOption('all-correct')
    await ready(page)
    await soon(() => at(page)).toContain(`${mean(changes(PROMPTS.slice(0, 2), 'all', first!))}`)
    await page.getByRole('combobox', { name: 'Prompt set', exact: true }).selectOption({ index: 0 })
    await page.getByLabel('Add a relation').selectOption('capital')
    await ready(page)
    await soon(() => at(page)).toMatch(/2 prompts$/)
    await page.getByRole('button', { name: 'Remove the relation capital' }).click()
    await page.getByRole('combobox', { name: 'Model', exact: true }).selectOption('flat')
    await page.getByRole('radio', { name: 'known', exact: true }).check()
    await ready(page)
    await plot(page).press('Home')
    // b and c.
    await soon(() => at(page)).toMatch(/2 prompts$/)
  })

  it('goes from a point to its outliers, and from one to Explore', async () => {
    const { page } = await shown.open('#/studies')
    await ready(page)
    const point = page.locator('.study-plot circle').first()
    const [x, y] = await Promise.all(['cx', 'cy'].map(async (name) => Number(await point.getAttribute(name))))
    await plot(page).click({ position: { x: x!, y: y! } })
    await page.getByRole('table', { name: 'Largest losses' }).waitFor()
    await page.getByRole('slider', { name: /^Distribution of the changes: half of 4 prompts/ }).waitFor()
    const link = page.getByRole('link', { name: 'Tell me of a: it is' }).first()
    await link.click()
    await page.waitForURL(/#\/explore\?model=tiny-mamba1/)
    expect(await page.getByLabel(/^Prompt/).inputValue()).toBe('Tell me of a: it is')
    await page.getByRole('grid', { name: /^Heatmap/ }).waitFor()
    // What it says there is of the role that the study cut, not of a token.
    const words = page.getByRole('complementary', { name: 'What happened' })
    await words.getByText(/nothing from (the|everything|what stands|all)/).waitFor()
    await page.goBack()
    await page.getByRole('table', { name: 'Largest losses' }).waitFor()
  })

  it('exports figures that are whole, and a command that runs', async () => {
    const { page } = await shown.open('#/studies')
    await ready(page)
    await page.getByRole('button', { name: 'Export' }).click()
    const svg = (await saved(page, 'SVG')).toString()
    const png = await saved(page, 'PNG')
    const other = await shown.browser.newPage()
    const paths = await other.evaluate((text) => {
      const { documentElement } = new DOMParser().parseFromString(text, 'image/svg+xml')
      return documentElement.nodeName === 'svg' ? documentElement.querySelectorAll('path').length : 0
    }, svg)
    expect(paths).toBeGreaterThan(2)
    const size = await other.evaluate(async (text) => {
      const image = new Image()
      image.src = `data:image/png;base64,${text}`
      await image.decode()
      return [image.naturalWidth, image.naturalHeight]
    }, png.toString('base64'))
    expect(size).toEqual([png.readUInt32BE(16), png.readUInt32BE(20)])
    await other.close()
    const spec = JSON.parse((await saved(page, 'Vega-Lite')).toString())
    expect(spec.$schema).toMatch(/^https:\/\/vega\.github\.io\/schema\/vega-lite\//)

    const command = await textOf(page.locator('.command'))
    expect(command).toMatch(/^factflow figure runs\/sample --lines source --where model=deep /)
    const run = command.replace(/^factflow/, '"$NODE" --import "$TSX" "$MAIN"')
    const { status, stdout, stderr } = spawnSync('sh', ['-c', run], {
      cwd: shown.dir,
      env: {
        ...process.env,
        NODE: process.execPath,
        TSX: import.meta.resolve('tsx'),
        MAIN: join(process.cwd(), 'src', 'cli', 'main.ts'),
      },
      encoding: 'utf8',
    })
    expect([status, `${stdout}${stderr}`]).toEqual([0, expect.stringContaining('svg')])
  })
})
