/** Explore, as one uses it. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { percent, signed, tokenLabel } from '../../../app/components/format.js'
import { FIRST } from '../../../app/state/question.js'
import { loadModel } from '../../../src/load.js'
import type { Model } from '../../../src/model.js'
import { app, computedLine, inChromium, plain, saved, soon, textOf } from './app.js'

const shown = app()
const HERE = '#/explore?model=tiny-gpt2'
const SUBJECT = 'Manila'

let model: Model
beforeAll(async () => {
  if (inChromium) model = await loadModel('tiny-gpt2')
})
afterAll(() => model?.close())

const grid = (page: Page) => page.getByRole('grid', { name: /^Heatmap/ })
const cell = (page: Page, token: number, start: number) =>
  grid(page).getByRole('row').nth(token).getByRole('gridcell').nth(start)
const happened = (page: Page) => page.getByRole('complementary', { name: 'What happened' })
const tokens = (page: Page) => page.getByRole('group', { name: 'Tokens; drag over the subject' })
const subject = (page: Page) => tokens(page).getByRole('button', { pressed: true }).allTextContents()

/** What a change shows, once it is computed. */
async function changed(page: Page): Promise<void> {
  await page.locator('.explore-body:not(.is-stale)').waitFor()
  await computedLine(page)
}

const label = (change: number): string => plain(signed(change))
/** The change that a cell's label says. */
async function said(page: Page, token: number, start: number): Promise<string> {
  return plain((await cell(page, token, start).getAttribute('aria-label'))!).replace(/^.*: /, '')
}

describe.runIf(inChromium)('Explore', () => {
  it('changes with the window, the features and the target', async () => {
    const { page } = await shown.open('#/explore?model=tiny-mamba2')
    await changed(page)
    const mamba = await loadModel('tiny-mamba2')
    const trace = (options: object) =>
      mamba.trace(FIRST.prompt, { subject: SUBJECT, answer: FIRST.answer, ...options })
    const like = async (options: object): Promise<void> => {
      const { heatmap, base } = await trace(options)
      const at = [3, heatmap.knocked[0]!.length - 1] as const
      const { prob } = heatmap.knocked[at[0]]![at[1]]!
      const want = label((100 * (prob - base.prob)) / base.prob)
      await soon(() => said(page, ...at)).toBe(want)
      expect(await grid(page).getByRole('gridcell').count()).toBe(heatmap.knocked.flat().length)
    }
    await like({})
    const slider = page.getByRole('slider', { name: /^Window/ })
    await slider.fill('4')
    await changed(page)
    await like({ window: 4 })
    expect(page.url()).toContain('window=4')
    await slider.press('ArrowRight')
    await changed(page)
    await like({ window: 5 })
    await page.getByRole('radio', { name: 'context-independent' }).check()
    await changed(page)
    await like({ window: 5, features: 'context-independent' })
    await page.getByRole('radio', { name: 'all', exact: true }).check()
    await page.getByLabel('Cut from (target)').selectOption('subject')
    await changed(page)
    await like({ window: 5, target: 'subject' })
    await mamba.close()
  })

  it('has features to choose for state-space models alone', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    expect(await page.getByRole('radio', { name: 'context-dependent' }).isDisabled()).toBe(true)
  })

  it('switches curves off and on', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    const curves = page.getByRole('region', { name: 'Information flow by role' })
    const slider = curves.getByRole('slider')
    const values = async (): Promise<string> => plain((await slider.getAttribute('aria-valuetext'))!)
    await slider.press('ArrowRight')
    await soon(values).toMatch(/^layers 1–4: .*subject → last [−+±]/)
    const subjectCurve = curves.getByRole('button', { name: 'subject → last' })
    await subjectCurve.click()
    expect(await subjectCurve.getAttribute('aria-pressed')).toBe('false')
    await changed(page)
    await slider.press('ArrowRight')
    await soon(values).not.toContain('subject → last')
    expect(page.url()).toContain('flows=')
    await curves.getByRole('button', { name: 'context → last' }).click()
    await changed(page)
    await slider.press('ArrowRight')
    await soon(values).toContain('context → last')
  })

  it('says of a cell what was cut and what happened, as Node computes it', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    const trace = await model.trace(FIRST.prompt, { subject: SUBJECT, answer: FIRST.answer })
    const start = 0
    const at = trace.prompt.subject[0]!
    await cell(page, at, start).click()
    const tokenizer = await model.tokenizer()
    const layers = Array.from({ length: trace.window }, (_, i) => start + i)
    const targets = [trace.prompt.ids.length - 1]
    const [result] = await model.knockout(
      [
        {
          ids: trace.prompt.ids,
          answer: trace.prompt.answer,
          knockouts: [{ layers, sources: [at], targets, features: 'all' }],
        },
      ],
      { topK: 5 },
    )
    const { topK, prob } = result!.knockouts[0]!
    const cut = happened(page).locator('.top-tokens').filter({ hasText: 'Cut' })
    const rows = topK!.map((one) => `${tokenLabel(tokenizer.tokenText(one.id))}${plain(percent(one.prob))}`)
    await soon(async () => (await cut.getByRole('listitem').allTextContents()).map(plain)).toEqual(rows)
    const words = await textOf(happened(page))
    expect(words).toContain(
      `In layers ${start}–${start + trace.window - 1} the last token receives nothing from “Manila”.`,
    )
    expect(words).toContain(
      `The probability of “Philippines” falls from ${plain(percent(result!.base.prob))} to ${plain(percent(prob))}`,
    )
    expect(page.url()).toContain(`cell=${at},${start}`)
    // Pressed again it is let go.
    await cell(page, at, start).click()
    await page.mouse.move(0, 0)
    await soon(() => textOf(happened(page).getByRole('heading', { level: 2 }))).toBe('Without a knockout')
  })

  it('is walked through by keyboard', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    const focused = (): Promise<string | null> =>
      page.evaluate(() => document.activeElement!.getAttribute('aria-label'))
    await cell(page, 0, 0).focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowRight')
    expect(await focused()).toBe(await cell(page, 1, 1).getAttribute('aria-label'))
    await page.keyboard.press('End')
    await page.keyboard.press('PageDown')
    await page.keyboard.press('ArrowDown')
    const last = (await grid(page).getByRole('row').count()) - 1
    const columns = await grid(page).getByRole('row').first().getByRole('gridcell').count()
    expect(await focused()).toBe(await cell(page, last, columns - 1).getAttribute('aria-label'))
    await page.keyboard.press('Enter')
    await page.waitForURL(new RegExp(`cell=${last},${columns - 1}`))
    expect(await textOf(happened(page).getByRole('heading', { level: 2 }))).toBe('Under the knockout')
    // The Tab key leaves the grid, and comes back to the cell that is kept.
    await page.keyboard.press('Tab')
    expect(await grid(page).locator(':focus').count()).toBe(0)
    await page.keyboard.press('Shift+Tab')
    expect(await focused()).toBe(await cell(page, last, columns - 1).getAttribute('aria-label'))
  })

  it('marks the subject by dragging over tokens, and by keyboard', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    expect(await subject(page)).toEqual(['␣Manila'])
    const button = (text: string) =>
      tokens(page)
        .getByRole('button', { name: `, ${text}` })
        .first()
    const middle = async (text: string) => {
      const box = (await button(text).boundingBox())!
      return [box.x + box.width / 2, box.y + box.height / 2] as const
    }
    const from = await middle('␣seat')
    const to = await middle('␣government')
    await page.mouse.move(...from)
    await page.mouse.down()
    await page.mouse.move(...to, { steps: 4 })
    await page.mouse.up()
    await soon(() => subject(page)).toEqual(['␣seat', '␣of', '␣government'])
    const { prompt } = FIRST
    expect(page.url()).toContain(`subject=${prompt.indexOf('seat')}-${prompt.indexOf('government') + 10}`)
    await changed(page)

    await button('␣city').focus()
    await page.keyboard.down('Shift')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.up('Shift')
    await soon(() => subject(page)).toEqual(['␣city', '␣of', '␣Manila'])
    await page.getByRole('button', { name: 'Unmark the subject' }).click()
    await soon(() => subject(page)).toEqual([])
    await changed(page)
    await button('␣Manila').focus()
    await page.keyboard.press('Enter')
    await soon(() => subject(page)).toEqual(['␣Manila'])
  })

  it('marks the subject of a known fact that is typed, with its answer', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    await page.getByLabel(/^Prompt/).fill('The city of Lisbon is the seat of government of')
    await page.waitForURL(/Lisbon/)
    await changed(page)
    expect((await subject(page)).join('')).toBe('␣Lisbon')
    expect(await page.getByLabel('Answer', { exact: true }).inputValue()).toBe('Portugal')
    await soon(() => textOf(happened(page))).toContain('tiny-gpt2 gives “Portugal”')
    // Without an answer the model's own counts.
    await page.getByLabel('Answer', { exact: true }).fill('')
    await soon(() => textOf(happened(page))).toMatch(/tiny-gpt2 goes on with “.+” \(/)
  })

  it('asks about a fact that is picked', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    await page.getByRole('button', { name: 'Pick a fact' }).click()
    const dialog = page.getByRole('dialog', { name: 'Pick a fact' })
    await dialog.getByRole('searchbox').fill('Marie Curie')
    await soon(() => textOf(dialog.getByRole('listbox').getByRole('option').first())).toContain('Marie Curie')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowUp')
    const picked = await textOf(
      dialog.getByRole('listbox').getByRole('option', { selected: true }).locator('span'),
    )
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'hidden' })
    const prompt = await page.getByLabel(/^Prompt/).inputValue()
    expect(picked).toBe(`${prompt} ${await page.getByLabel('Answer', { exact: true }).inputValue()}`)
    expect(prompt).toContain('Marie Curie')
    await soon(async () => (await subject(page)).join('')).toMatch(/Marie␣Curie$/)
    await changed(page)
  })

  it('says in words what it cannot do', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    const alert = page.getByRole('alert')
    await page.getByLabel(/^Prompt/).fill(`${FIRST.prompt} `.repeat(20))
    await soon(() => alert.first().textContent()).toMatch(
      /^prompt: a prompt must have at most 64 tokens \(the model learned as many positions\), got \d+; shorten it\./,
    )
    await page.getByLabel(/^Prompt/).fill(FIRST.prompt)
    await soon(() => alert.count()).toBe(0)
    await changed(page)

    await page.getByRole('button', { name: /^Model/ }).click()
    const dialog = page.getByRole('dialog', { name: 'Model' })
    await dialog.getByLabel('Any model of the Hub, by its id').fill('not/../a/path')
    await dialog.getByRole('button', { name: 'Open', exact: true }).click()
    await soon(() => alert.first().textContent()).toMatch(
      /^model: must be an embedded model.*got "not\/\.\.\/a\/path"/,
    )
    await page.goBack()
    await soon(() => alert.count()).toBe(0)
    await changed(page)
  })

  it('says that a prompt is empty, and leaves it so', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    const field = page.getByLabel(/^Prompt/)
    await field.fill('')
    await soon(() => page.getByRole('alert').allTextContents()).toEqual([
      'The prompt is empty: type words that the model completes.',
    ])
    expect(await field.inputValue()).toBe('')
    expect(page.url()).toMatch(/[?&]prompt=(&|$)/)
    await field.fill('The city of Lisbon is the seat of government of')
    await soon(() => page.getByRole('alert').count()).toBe(0)
    await soon(() => textOf(happened(page))).toContain('“Portugal”')
  })

  it('restores a view from its address, and goes back a step', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    await page.getByLabel(/^Prompt/).fill('The city of Lisbon is the seat of government of')
    await page.waitForURL(/Lisbon/)
    await changed(page)
    await page.getByRole('slider', { name: /^Window/ }).fill('3')
    await changed(page)
    await cell(page, 3, 5).click()
    await page.mouse.move(0, 0)
    await page.waitForURL(/cell=3,5/)
    const view = async (): Promise<string> => plain((await page.locator('.explore-body').textContent())!)
    await soon(view).toContain('In layers 5–7')
    const before = await view()
    await page.reload()
    await changed(page)
    await soon(view).toBe(before)
    await page.goBack()
    await soon(() => page.getByLabel(/^Prompt/).inputValue()).toBe(FIRST.prompt)
    await changed(page)
    await page.goForward()
    await soon(view).toBe(before)
  })

  it('saves what it shows, with the command that makes it', async () => {
    const { page } = await shown.open(HERE)
    await changed(page)
    await page.getByRole('button', { name: 'Export' }).click()
    const svg = (await saved(page, 'SVG')).toString()
    expect(svg).toMatch(/^<svg[^>]+xmlns="http:\/\/www.w3.org\/2000\/svg"/)
    expect(svg).toContain('Manila')
    const png = await saved(page, 'PNG')
    expect(png.subarray(1, 4).toString()).toBe('PNG')
    const spec = JSON.parse((await saved(page, 'Vega-Lite')).toString())
    expect(spec.$schema).toMatch(/vega-lite/)
    expect(await textOf(page.locator('.command'))).toBe(
      `factflow trace '${FIRST.prompt}' --subject Manila --answer Philippines --model tiny-gpt2 --svg trace.svg`,
    )
  })
})
