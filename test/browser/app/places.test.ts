/** The app in each place where it computes: what it shows first is what Node computes. */
import { beforeAll, describe, expect, it } from 'vitest'
import { percent } from '../../../app/components/format.js'
import { FIRST } from '../../../app/state/question.js'
import type { Trace } from '../../../src/experiments/trace.js'
import { loadModel } from '../../../src/load.js'
import type { Exploration } from '../../../src/ui/protocol.js'
import { answered, app, computedLine, inChromium, type Place, plain, textOf } from './app.js'

const shown = app({ exported: true })
const TIMEOUT_MS = 120_000
/** On probabilities. */
const TOLERANCE: Readonly<Record<Place, number>> = { server: 1e-6, wasm: 1e-5, webgpu: 1e-4, export: 1e-5 }
const SUBJECT = FIRST.prompt.slice(FIRST.subject!.start, FIRST.subject!.end)

const traces = new Map<string, Trace>()
beforeAll(async () => {
  if (!inChromium) return
  for (const name of ['tiny-mamba1', 'tiny-gpt2']) {
    const model = await loadModel(name)
    traces.set(name, await model.trace(FIRST.prompt, { subject: SUBJECT, answer: FIRST.answer }))
    await model.close()
  }
}, TIMEOUT_MS)

/** All probabilities in order: as it is, the heatmap's, the curves'. */
function ofTrace({ base, heatmap, infoFlow }: Trace): number[] {
  const curves = infoFlow.curves.map(({ flow }) => infoFlow.measurements.filter((one) => one.flow === flow))
  return [base, ...heatmap.knocked.flat(), ...curves.flat().map(({ knocked }) => knocked)].map(
    ({ prob }) => prob,
  )
}

function ofExploration({ base, heatmap, curves }: Exploration): number[] {
  return [base, ...heatmap.flat(), ...curves.flatMap(({ points }) => points)].map(({ prob }) => prob)
}

describe.runIf(inChromium).each([
  { place: 'server', model: 'tiny-mamba1', where: /^by the server: CPU, \d+ threads?$/ },
  { place: 'server', model: 'tiny-gpt2', where: /^by the server: CPU, \d+ threads?$/ },
  { place: 'wasm', model: 'tiny-mamba1', where: /^in this page: WebAssembly, \d+ threads?$/ },
  { place: 'wasm', model: 'tiny-gpt2', where: /^in this page: WebAssembly, \d+ threads?$/ },
  { place: 'webgpu', model: 'tiny-gpt2', where: /^in this page: GPU through WebGPU, float32$/ },
  { place: 'export', model: 'tiny-mamba1', where: /^in this page: WebAssembly, 1 thread$/ },
] as const)('$model in place: $place', ({ place, model, where }) => {
  it(
    'shows what Node computes, and says what computes',
    async () => {
      const { page } = await shown.open(`#/explore?model=${model}`, { place, overhear: true })
      expect(await computedLine(page)).toMatch(
        new RegExp(`^\\d+ knockouts in .+ on ONNX Runtime .+; ${model} was opened in .+\\.$`),
      )
      const wanted = traces.get(model)!
      const got = await answered(page, 'explore')
      const probs = ofExploration(got)
      const expected = ofTrace(wanted)
      expect(probs).toHaveLength(expected.length)
      expect(probs.length).toBeGreaterThan(80)
      const largest = Math.max(...probs.map((prob, i) => Math.abs(prob - expected[i]!)))
      expect(largest).toBeLessThanOrEqual(TOLERANCE[place])
      expect(got.answer.id).toBe(wanted.prompt.answer)
      expect(got.subject).toEqual(wanted.prompt.subject)

      const words = page.getByRole('complementary', { name: 'What happened' })
      expect(await textOf(words)).toContain(
        `${model} gives “${FIRST.answer}” a probability of ${plain(percent(got.base.prob))}: its first choice.`,
      )
      const grid = page.getByRole('grid', { name: /^Heatmap: each token cut from the last token/ })
      expect(await grid.getByRole('row').count()).toBe(wanted.prompt.ids.length)
      expect(await grid.getByRole('gridcell').count()).toBe(wanted.heatmap.knocked.flat().length)
      expect(await textOf(page.locator('.settings-place'))).toMatch(where)
    },
    TIMEOUT_MS,
  )
})

describe.runIf(inChromium)('an export below a path of a plain file host', () => {
  it('says that it has one thread, asks for nothing elsewhere, and has no server to choose', async () => {
    const asked: string[] = []
    const { page } = await shown.open('#/explore?model=tiny-gpt2', { place: 'export' })
    page.on('request', (request) => asked.push(request.url()))
    await computedLine(page)
    await page.locator('.settings summary').click()
    await page.getByText('WebAssembly has one thread here').waitFor()
    await page.getByText('Prompts do not leave this page').waitFor()
    expect(await page.getByRole('group', { name: 'Computed by' }).count()).toBe(0)
    await page.getByRole('link', { name: 'Learn' }).click()
    await page.getByRole('heading', { name: /Where do facts flow/ }).waitFor()
    for (const url of asked) expect(url).toMatch(/^(blob:)?http:\/\/127\.0\.0\.1:\d+\/some\/where\//)
    for (const path of shown.site.asked) expect(path).toMatch(/^\/some\/where\//)
  })

  it('opens Studies without one', async () => {
    const { page } = await shown.open('#/studies', { place: 'export' })
    await page.getByText('No study is here yet').waitFor()
    await page.getByRole('button', { name: 'Pick a folder' }).waitFor()
  })
})

describe.runIf(inChromium)('the local server', () => {
  it('shows a page that says what is missing to who has no token', async () => {
    const { page, complaints } = await shown.open('#/explore')
    await computedLine(page)
    await page.context().clearCookies()
    const response = await page.goto(`http://127.0.0.1:${shown.server.port}/`)
    expect(response!.status()).toBe(401)
    expect(await textOf(page.locator('body'))).toBe(
      'This page needs the token that factflow ui made: open the address that it printed in the terminal.',
    )
    for (const text of complaints.splice(0)) expect(text).toMatch(/status of 401 \(Unauthorized\)/)
  })

  it('takes the token out of the address, and keeps the view that was asked for', async () => {
    const { page } = await shown.open('#/cut')
    await page.getByRole('heading', { name: 'Draw what is cut' }).waitFor()
    const url = new URL(page.url())
    expect([url.pathname, url.searchParams.get('token')]).toEqual(['/', null])
    expect(url.hash).toMatch(/^#\/cut/)
    // Nothing that runs in the page can read it.
    expect(await page.evaluate(() => document.cookie)).toBe('')
  })

  it('lets one choose what computes, and remembers it', async () => {
    const { page } = await shown.open('#/explore?model=tiny-gpt2')
    await computedLine(page)
    const base = `http://127.0.0.1:${shown.server.port}/`
    await page.goto(`${base}#/explore?model=tiny-gpt2`)
    await computedLine(page)
    await page.locator('.settings summary').click()
    await page.getByRole('group', { name: 'Computed by' }).getByRole('radio', { name: 'this page' }).check()
    await page
      .getByRole('group', { name: 'In this page on' })
      .getByRole('radio', { name: 'WebAssembly' })
      .check()
    await page.locator('.explore-foot').getByText('WebAssembly').waitFor()
    expect(await textOf(page.locator('.settings-place'))).toMatch(/^in this page: WebAssembly/)
    await page.reload()
    await page.locator('.explore-foot').getByText('WebAssembly').waitFor()
  })
})
