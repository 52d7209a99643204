import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import { beforeAll, describe, expect, test } from 'vitest'
import { flowLabel } from '../../src/experiments/flows.js'
import { relativeChange } from '../../src/experiments/info-flow.js'
import type { Trace } from '../../src/experiments/trace.js'
import { loadModel } from '../../src/load.js'
import { factflow, pngSize, succeed, temporaryFolder } from './command.js'

const PROMPT = 'Manila is the capital of'
const ARGS = ['trace', PROMPT, '--subject', 'Manila']
/** One window and one curve: quick, where the numbers do not matter. */
const SMALL = [...ARGS, '--threads', '1', '--window', '24', '--flows', 'first']
/** The same computation in another process: only the order of float32 sums may differ, by the threads' shares. */
const SAME = 1e-6
/** The same in other batches: matrix products of other heights add float32 terms in another order. */
const OTHER_BATCHES = 5e-6

const folder = temporaryFolder()

describe('factflow trace --json --svg --png', () => {
  let json: {
    tokens: { id: number; text: string; subject: boolean }[]
    answer: { id: number; text: string }
    base: { prob: number; rank: number; top: { id: number; text: string } }
    heatmap: { target: string; features: string; prob: number[][]; relativeChange: number[][] }
    curves: { label: string; source: string; target: string; prob: number[]; relativeChange: number[] }[]
    [key: string]: unknown
  }
  let traced: Trace
  let stderr: string

  beforeAll(async () => {
    const result = await factflow([...ARGS, '--json', '--svg', 't.svg', '--png', 't.png'], { cwd: folder })
    expect(result.code).toBe(0)
    stderr = result.stderr
    json = JSON.parse(result.stdout)
    const model = await loadModel('tiny-mamba1')
    traced = await model.trace(PROMPT, { subject: 'Manila' })
    await model.close()
  })

  test('prints what the library computes', () => {
    const { prompt, base, heatmap, infoFlow } = traced
    expect(json).toMatchObject({
      model: 'tiny-mamba1',
      prompt: PROMPT,
      subject: 'Manila',
      nLayers: 24,
      window: 9,
    })
    expect(json.tokens.map(({ id }) => id)).toEqual(prompt.ids)
    expect(json.tokens.map(({ text }) => text).join('')).toBe(PROMPT)
    expect(json.tokens.flatMap(({ subject }, i) => (subject ? [i] : []))).toEqual(prompt.subject)
    // Without --answer the model's own first choice is the answer.
    expect(json.answer).toEqual({ id: base.top, text: ' Philippines' })
    expect(json.base).toMatchObject({ rank: 1, top: json.answer })
    expectClose([[json.base.prob]], [[base.prob]])

    expect(json.heatmap).toMatchObject({ target: 'last', features: 'all' })
    expectClose(
      json.heatmap.prob,
      heatmap.knocked.map((row) => row.map(({ prob }) => prob)),
    )
    expect(json.curves.map(({ label }) => label)).toEqual(infoFlow.curves.map(({ flow }) => flowLabel(flow)))
    expectClose(
      json.curves.map(({ prob }) => prob),
      infoFlow.curves.map(({ flow }) =>
        infoFlow.measurements.filter((m) => m.flow === flow).map(({ knocked }) => knocked.prob),
      ),
    )
  })

  test('gives changes in percent of the base probability', () => {
    const cells = [json.heatmap, ...json.curves].flatMap(({ prob, relativeChange: change }) =>
      prob.flat().map((p, i) => [p, change.flat()[i]!] as const),
    )
    expect(cells).toHaveLength(6 * 16 + 7 * 16)
    for (const [prob, change] of cells) {
      // Relative changes come from logarithms: their rounding is relative to 100 %.
      expect(change).toBeCloseTo(((prob - json.base.prob) / json.base.prob) * 100, 3)
    }
    expect(relativeChange(traced.base, traced.base)).toBe(0)
  })

  test('writes whole figures and says where', () => {
    expect(stderr).toBe('wrote t.svg\nwrote t.png\n')
    expect(readdirSync(folder).sort()).toEqual(['t.png', 't.svg'])
    const svg = readFileSync(join(folder, 't.svg'), 'utf8')
    expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www.w3.org\/2000\/svg"[\s\S]*<\/svg>\s*$/)
    for (const text of ['Philippines', 'Man*', '␣capital', 'subject → last']) expect(svg).toContain(text)
    const [, width, height] = /<svg[^>]* width="(\d+)" height="(\d+)"/.exec(svg)!.map(Number)
    expect(pngSize(join(folder, 't.png'))).toEqual([2 * width!, 2 * height!])
  })
})

function expectClose(got: readonly (readonly number[])[], expected: readonly (readonly number[])[]): void {
  expect(got.map((row) => row.length)).toEqual(expected.map((row) => row.length))
  const off = got.flatMap((row, r) => row.map((value, c) => Math.abs(value - expected[r]![c]!)))
  expect(Math.max(...off)).toBeLessThan(SAME)
}

describe('factflow trace in the terminal', () => {
  test.concurrent.each([
    [40, {}, false],
    [100, { NO_COLOR: '1' }, false],
    [200, { NO_COLOR: '1', FORCE_COLOR: '3' }, true],
  ])('fills %i columns, with %o', async (width, env: Record<string, string>, colored) => {
    const text = await succeed(SMALL, { env: { COLUMNS: String(width), ...env } })
    const plain = stripVTControlCharacters(text)
    expect(Math.max(...plain.split('\n').map((line) => stringWidth(line)))).toBe(width)
    expect(plain).toContain('first → last')
    expect(text !== plain).toBe(colored)
  })

  test.concurrent('says in words what it shows, and what it leaves out', async () => {
    const { code, stdout, stderr } = await factflow([
      ...SMALL,
      ...['context', '--answer', 'Brussels', '--target', 'subject', '--features', 'context-dependent'],
    ])
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'left out, as no prompt has tokens of both roles: context → last\n',
    })
    expect(stdout).not.toContain('context → last')
    expect(stdout.split('\n\n')[0]!.replace(/\s+/g, ' ')).toMatch(
      /^"Manila is the capital of" → "Brussels" \(first token "Br"\) tiny-mamba1, p = [\d.e-]+, rank \d+; its first choice is "Philippines"; each token cut from subject tokens, context-dependent features$/,
    )
  })
})

test('with too little memory for all layers, says so; the numbers stay', async () => {
  const ask = [...ARGS, '--model', 'tiny-gpt2', '--json']
  const [little, ample] = await Promise.all([factflow([...ask, '--memory', '8MiB']), factflow(ask)])
  expect(little.stderr).toBe(
    'note: tiny-gpt2 does not fit in the memory whole: its layers are loaded in turn, which is slower\n',
  )
  expect(ample).toMatchObject({ code: 0, stderr: '' })
  const probs = ({ stdout }: { stdout: string }): number[][] =>
    (JSON.parse(stdout) as { heatmap: { prob: number[][] } }).heatmap.prob
  probs(little).forEach((row, token) => {
    row.forEach((prob, window) => {
      expect(Math.abs(prob - probs(ample)[token][window])).toBeLessThan(OTHER_BATCHES)
    })
  })
})
