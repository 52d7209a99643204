/** Learn: every step draws its figures and says what the numbers show, computed while one looks. */
import { describe, expect, it } from 'vitest'
import { STEPS } from '../../../app/views/learn/steps.js'
import { app, inChromium, plain, soon, textOf } from './app.js'

const shown = app()

describe.runIf(inChromium)('Learn', () => {
  it('begins with what a knockout is', async () => {
    const { page } = await shown.open('#/learn')
    const words = page
      .getByRole('region', { name: 'What happened' })
      .or(page.getByRole('complementary'))
      .locator('.learn-words')
    await soon(() => textOf(words)).toMatch(
      /^Nothing is cut: tiny-mamba1 gives “Philippines” a probability of (> )?\d/,
    )
    await page.getByRole('slider', { name: /^Cut in/ }).fill('15')
    await page.getByRole('button', { name: /Manila, subject, from the last token$/ }).click()
    await soon(() => textOf(words)).toMatch(
      /^In layers 15–23 the last token receives nothing from “Manila”\. The probability of “Philippines” falls from (> )?\d/,
    )
    await page.getByRole('link', { name: 'Open in Explore' }).click()
    await page.waitForURL(/#\/explore\?.*cell=3,15/)
  })

  it.each(STEPS.map((step, i) => ({ step, number: i + 1 })))(
    'step $number shows a figure of each model and a sentence from its numbers',
    async ({ step, number }) => {
      const { page } = await shown.open(`#/learn?step=${number}`)
      await soon(() => textOf(page.getByRole('heading', { level: 1 }))).toContain(step.title)
      const seen = page.getByRole('region', { name: 'What you see' })
      // Means move until all facts are in.
      await seen.locator('.learn-verdict:not(.is-waiting)').waitFor()
      await seen.locator('[aria-busy=false]').waitFor()
      const models = step.choose ? step.models.slice(0, 1) : step.models
      for (const model of models) {
        const figure = page.getByRole('region', { name: `Figure: ${model}` })
        expect(await textOf(figure)).toMatch(/mean of \d+ facts, windows of \d+ of \d+ layers/)
        const slider = figure.getByRole('slider')
        await slider.press('End')
        await slider.press('Home')
        expect(plain((await slider.getAttribute('aria-valuetext'))!)).toMatch(
          /^layers 0–\d+: .*subject → last [−+±]/,
        )
        expect(await textOf(seen.locator('.learn-words'))).toContain(model)
      }
      expect(await textOf(seen.locator('.learn-words'))).toMatch(/[−+]\d+\.\d %/)
      expect(await textOf(seen.locator('.learn-verdict'))).toMatch(/^[✓✗?] \S/)
      expect(await textOf(seen.locator('.learn-took'))).toMatch(/^[\d,]+ knockouts in .* on ONNX Runtime/)
    },
  )

  it('asks for a guess, says whether it was right, and goes from step to step', async () => {
    const { page } = await shown.open('#/learn')
    await page.getByRole('link', { name: 'The second half' }).click()
    await page.waitForURL(/step=1/)
    await page.locator('.learn-guessed').filter({ hasText: /\S/ }).waitFor()
    // Whoever goes on is at the beginning of the next step.
    await page.getByRole('link', { name: 'Next' }).click()
    await soon(() => page.evaluate(() => document.activeElement!.textContent)).toContain('Step 2 of 5')
    await page.getByRole('link', { name: 'Back' }).click()
    await soon(() => textOf(page.getByRole('heading', { level: 1 }))).toContain('Step 1 of 5')
  })
})
