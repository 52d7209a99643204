/** Computations that take long: progress, a way to stop them, a way to go on. */
import { describe, expect, it } from 'vitest'
import { app, computedLine, inChromium, soon, textOf } from './app.js'

const shown = app({ threads: 1 })
const SENTENCE = 'The city of Manila is the seat of government of '

/** A prompt of so many sentences of 10 tokens: seconds for every token in every window. */
function hashOf(sentences: number): string {
  const prompt = SENTENCE.repeat(sentences).trim()
  return `#/explore?${new URLSearchParams({ model: 'tiny-mamba1', prompt, answer: 'Philippines' })}`
}

describe.runIf(inChromium).each([
  { place: 'server', sentences: 45 },
  { place: 'wasm', sentences: 16 },
] as const)('a long computation in place: $place', ({ place, sentences }) => {
  it('shows progress, is cancelled, goes on', async () => {
    const { page } = await shown.open(hashOf(sentences), { place })
    const controls = page.getByRole('region', { name: 'What is cut' })
    const bar = controls.getByRole('progressbar')
    await bar.waitFor()
    await soon(() => textOf(controls.getByRole('status'))).toMatch(/^computing: [1-9]\d* %/)
    await controls.getByRole('button', { name: 'Cancel' }).click()
    await soon(() => textOf(controls.getByRole('status'))).toBe('Stopped.Go on')
    expect(await bar.count()).toBe(0)
    expect(await page.getByRole('grid').count()).toBe(0)

    // What was stopped takes nothing from what is asked next.
    await page.getByLabel(/^Prompt/).fill('The city of Lisbon is the seat of government of')
    await page.waitForURL(/Lisbon/)
    expect(await computedLine(page)).toMatch(/knockouts in/)

    await page.goBack()
    await controls.getByRole('button', { name: 'Cancel' }).click()
    await controls.getByRole('button', { name: 'Go on' }).click()
    await bar.waitFor()
    expect(await textOf(controls.getByRole('status'))).toMatch(/^computing/)
  })
})

describe.runIf(inChromium)('Go on', () => {
  it('brings the result', async () => {
    const { page } = await shown.open(hashOf(12))
    const controls = page.getByRole('region', { name: 'What is cut' })
    await controls.getByRole('button', { name: 'Cancel' }).click()
    await controls.getByRole('button', { name: 'Go on' }).click()
    expect(await computedLine(page)).toMatch(/^\d+ knockouts in/)
    expect(await page.getByRole('grid').getByRole('row').count()).toBeGreaterThan(100)
  })
})
