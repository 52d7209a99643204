/** Compare: two models over the same depth. */
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { app, computedLine, inChromium, plain, soon } from './app.js'

const shown = app()

const side = (page: Page, name: string) => page.getByRole('region', { name: `Heatmap ${name}`, exact: true })
async function headings(page: Page): Promise<string[]> {
  await computedLine(page)
  const texts = await page.locator('.compare-side:not(.is-stale) h2').allTextContents()
  return texts.map(plain)
}
const words = (page: Page) => page.getByRole('list', { name: 'How they differ' }).getByRole('listitem')

describe.runIf(inChromium)('Compare', () => {
  it('has two models side by side, aligned by depth, and says how they differ', async () => {
    const { page } = await shown.open('#/compare')
    await soon(() => headings(page)).toEqual([
      'A: tiny-mamba2 24 layers, window 9',
      'B: tiny-gpt2 12 layers, window 4',
    ])
    await soon(async () => plain((await words(page).first().textContent())!)).toMatch(
      /^Cutting the subject from the last token .* tiny-mamba2.* tiny-gpt2/,
    )
    // A cell that is kept on one side is kept at its depth on the other.
    await side(page, 'A').getByRole('row').nth(3).getByRole('gridcell').nth(14).click()
    await page.waitForURL(/a\.cell=3,14/)
    const counterpart = /b\.cell=3,(\d+)/.exec(page.url())
    const middle = (start: number, window: number, layers: number): number => (start + window / 2) / layers
    expect(Math.abs(middle(Number(counterpart![1]), 4, 12) - middle(14, 9, 24))).toBeLessThan(1 / 12)
    await page.mouse.move(0, 0)
    await soon(async () => plain((await side(page, 'A').locator('.words').textContent())!)).toMatch(
      /^In layers 14–22 /,
    )
    await soon(async () => plain((await side(page, 'B').locator('.words').textContent())!)).toMatch(
      new RegExp(`^In layers ${counterpart![1]}–`),
    )
    // The same token and depth stand at the same place across the figures.
    const place = async (name: string, start: number): Promise<number> => {
      const cells = side(page, name).getByRole('row').nth(3).getByRole('gridcell')
      const [box, row] = [
        await cells.nth(start).boundingBox(),
        await side(page, name).locator('.heatmap-cells').nth(3).boundingBox(),
      ]
      return (box!.x + box!.width / 2 - row!.x) / row!.width
    }
    expect(Math.abs((await place('A', 14)) - middle(14, 9, 24))).toBeLessThan(0.02)
    expect(Math.abs((await place('B', 6)) - middle(6, 4, 12))).toBeLessThan(0.02)
  })

  it('swaps its sides, goes back, and is restored from its address', async () => {
    const { page } = await shown.open('#/compare')
    const before = ['A: tiny-mamba2 24 layers, window 9', 'B: tiny-gpt2 12 layers, window 4']
    await soon(() => headings(page)).toEqual(before)
    await page.getByRole('button', { name: 'Swap A and B' }).click()
    const swapped = ['A: tiny-gpt2 12 layers, window 4', 'B: tiny-mamba2 24 layers, window 9']
    await soon(() => headings(page)).toEqual(swapped)
    await page.getByRole('combobox', { name: 'Window' }).selectOption('50')
    const wide = ['A: tiny-gpt2 12 layers, window 6', 'B: tiny-mamba2 24 layers, window 12']
    await soon(() => headings(page)).toEqual(wide)
    await page.reload()
    await soon(() => headings(page)).toEqual(wide)
    await page.goBack()
    await soon(() => headings(page)).toEqual(before)
  })

  it('compares two prompts to one model', async () => {
    const { page } = await shown.open('#/compare?a.model=tiny-gpt2')
    await computedLine(page)
    await page.getByRole('button', { name: 'Same model, other prompt' }).click()
    await soon(() => headings(page)).toEqual([
      'A: tiny-gpt2 12 layers, window 4',
      'B: tiny-gpt2 12 layers, window 4',
    ])
    const prompts = await Promise.all(
      ['A', 'B'].map((name) => page.getByLabel(`Prompt, ${name}:`).inputValue()),
    )
    expect(prompts[0]).not.toBe(prompts[1])
    expect(prompts[1]).toMatch(/^The city of .+ is the seat of government of$/)
    await soon(async () => plain((await words(page).first().textContent())!)).toMatch(/ in A .* in B /)
  })
})
