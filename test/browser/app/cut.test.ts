/** Cut by hand: drawing with the mouse and by keyboard, undo, and the same numbers from the command line. */
import { spawn } from 'node:child_process'
import process from 'node:process'
import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { percent, signed } from '../../../app/components/format.js'
import { answered, app, computedLine, inChromium, plain, soon } from './app.js'

const shown = app()
const HERE = '#/cut?model=tiny-gpt2'

/** What `factflow ARGS` prints when it is given `input`. */
function factflow(args: readonly string[], input: string): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  child.stdin.end(input)
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => (code === 0 ? done(text) : fail(new Error(`factflow ended with ${code}`))))
  })
}

const tokens = (page: Page) => page.getByRole('group', { name: /^Tokens; an arc begins/ })
const items = (page: Page) =>
  page.getByRole('region', { name: 'Knockouts', exact: true }).locator('.cut-item')
/** What the list says of each knockout, once all are computed. */
async function kept(page: Page): Promise<string[]> {
  await computedLine(page)
  return (await items(page).locator('.cut-words').allTextContents()).map(plain)
}

async function middle(locator: Locator): Promise<readonly [number, number]> {
  const box = (await locator.boundingBox())!
  return [box.x + box.width / 2, box.y + box.height / 2]
}

async function drag(page: Page, from: Locator, to: Locator): Promise<void> {
  const [start, end] = [await middle(from), await middle(to)]
  await page.mouse.move(...start)
  await page.mouse.down()
  await page.mouse.move(...end, { steps: 5 })
  await page.mouse.up()
}

describe.runIf(inChromium)('Cut by hand', () => {
  it('draws arcs with the mouse, and layers', async () => {
    const { page } = await shown.open(HERE)
    await soon(() => kept(page)).toEqual([
      'In layers 8–11 the last token “of” receives nothing from the subject “Manila”.',
    ])
    const token = tokens(page).getByRole('button')
    await drag(page, token.nth(1), token.nth(5))
    await soon(() => kept(page)).toHaveLength(2)
    expect((await kept(page))[1]).toBe('In layers 8–11 “the” receives nothing from “city”.')
    // The end of its window, moved to the first layer.
    const first = page.getByRole('slider', { name: 'First layer of knockout B' })
    const last = page.getByRole('slider', { name: 'Last layer of knockout B' })
    const [x, y] = await middle(first)
    const row = ((await middle(last))[1] - y) / 4
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x, y - 4 * row, { steps: 5 })
    await page.mouse.up()
    await soon(async () => Number(await first.getAttribute('aria-valuenow'))).toBeLessThan(8)
    // From right to left there is nothing to cut.
    await drag(page, token.nth(5), token.nth(2))
    await page.getByText('Nothing flows from a later token to an earlier one').waitFor()
    expect(await items(page).count()).toBe(2)
  })

  it('is drawn by keyboard, undone and redone, and restored from its address', async () => {
    const { page } = await shown.open(HERE)
    await computedLine(page)
    const token = tokens(page).getByRole('button')
    await token.nth(0).focus()
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('Enter')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('Enter')
    await soon(() => items(page).count()).toBe(2)
    const last = page.getByRole('slider', { name: 'Last layer of knockout B' })
    await last.focus()
    await page.keyboard.press('ArrowUp')
    await soon(async () => (await kept(page))[1]).toBe(
      'In layers 8–10 the subject “Manila” receives nothing from “city”.',
    )
    const url = page.url()
    await page.keyboard.press('Control+z')
    await soon(async () => (await kept(page))[1]).toBe(
      'In layers 8–11 the subject “Manila” receives nothing from “city”.',
    )
    await page.getByRole('button', { name: 'Undo' }).click()
    await soon(() => items(page).count()).toBe(1)
    await page.getByRole('button', { name: 'Redo' }).click()
    await page.keyboard.press('Control+Shift+z')
    await soon(async () => (await kept(page))[1]).toBe(
      'In layers 8–10 the subject “Manila” receives nothing from “city”.',
    )
    expect(page.url()).toBe(url)
    const before = await items(page).allTextContents()
    await page.reload()
    await soon(async () => {
      await computedLine(page)
      return items(page).allTextContents()
    }).toEqual(before)
    await page.getByRole('button', { name: 'Delete B' }).click()
    await page.getByRole('button', { name: 'Delete A' }).click()
    await soon(() => items(page).count()).toBe(0)
    expect(page.url()).toContain('cuts=none')
  })

  it('copies what the command line computes to the same numbers', async () => {
    const { page } = await shown.open(`${HERE}&cuts=A:s3.t9.l2-8;B:s0,1.t9.l0-3`, {
      overhear: true,
      permissions: ['clipboard-read', 'clipboard-write'],
    })
    await computedLine(page)
    await soon(async () => (await answered(page, 'cut')).knocked.length).toBeGreaterThan(0)
    const copied = async (name: string): Promise<string> => {
      await page.getByRole('button', { name }).click()
      const done = page.getByRole('button', { name: 'Copied' })
      await done.waitFor()
      // The button has its own name again, so that the next one is told from it.
      await done.waitFor({ state: 'detached' })
      return page.evaluate(() => navigator.clipboard.readText())
    }
    const line = await copied('Copy as JSON')
    const command = await copied('Copy the command')
    expect(command).toBe(`echo '${line}' | factflow knockout --model tiny-gpt2`)
    const answer = JSON.parse(await factflow(['knockout', '--model', 'tiny-gpt2'], line))
    expect(answer.knockouts).toHaveLength(2)
    const texts = (await items(page).locator('.cut-numbers-list').allTextContents()).map(plain)
    for (const [i, { prob }] of answer.knockouts.entries()) {
      expect(texts[i]).toContain(`${plain(percent(answer.base.prob))} → ${plain(percent(prob))}`)
      const change = (100 * (prob - answer.base.prob)) / answer.base.prob
      expect(texts[i]).toContain(plain(signed(change)))
    }
  })
})
