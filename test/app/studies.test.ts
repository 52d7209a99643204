import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { figureCommand, figureSpec, gridOf } from '../../app/views/studies/figure.js'
import {
  depthOf,
  effectsRequest,
  fixedText,
  type Panel,
  panelsOf,
  paramsOf,
  pickedPoint,
  promptsText,
  type Resolved,
  resolve,
  type StudiesView,
  viewOf,
} from '../../app/views/studies/view.js'
import { figureCommand as figureCommandLine } from '../../src/cli/figure.js'
import { RunFolder } from '../../src/results/run-folder.js'
import { PageStudies } from '../../src/ui/page-studies.js'
import type { StudyOverview } from '../../src/ui/study-protocol.js'
import { EVALUATIONS, storeSample } from '../studies/stored.js'

let dir: string
let overview: StudyOverview
const page = new PageStudies()

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-view-'))
  const run = join(dir, 'a run')
  await storeSample(run)
  const folder = await RunFolder.at(run, '1.0.0')
  folder.file.study = { name: 'sample', title: "The sample's title" }
  await folder.save()
  await folder.write('evaluations', 'a', EVALUATIONS)
  folder.close()
  const files = (await readdir(run)).map(async (name) => ({
    path: `a run/${name}`,
    file: new Blob([new Uint8Array(await readFile(join(run, name)))]),
  }))
  expect(await page.add(await Promise.all(files))).toEqual([])
  const [entry] = await page.studies()
  overview = await page.study({ study: entry!.study })
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const view = (query: string): StudiesView =>
  viewOf(new URLSearchParams(`study=${encodeURIComponent(overview.study)}&from=page&${query}`))

interface Shown {
  readonly asked: StudiesView
  readonly resolved: Resolved
  readonly panels: Panel[]
}
async function shown(query: string): Promise<Shown> {
  const asked = view(query)
  const resolved = resolve(asked, overview)
  return { asked, resolved, panels: panelsOf(asked, resolved, await page.curves(resolved.request)) }
}
const keysOf = (panels: readonly Panel[]): [string, string[]][] =>
  panels.map(({ key, lines }) => [key, lines.map((line) => line.key)])

describe('the address of Studies', () => {
  it.each([
    'study=demo',
    'study=runs%2Fdemo&from=page&lines=model&panels=features&source=last&model=a%2Cb&model=c&window=9',
    'study=x&relation=r1&relation=r2&known=unknown&set=all-correct&value=accuracy',
    'study=x&lines=window&line=5&layer=3',
    'study=x&panels=model&line=subject&panel=tiny+one&layer=0',
    '',
  ])('restores what it says: %s', (query) => {
    const restored = viewOf(new URLSearchParams(query))
    expect(paramsOf(restored).toString()).toBe(query)
    expect(viewOf(paramsOf(restored))).toEqual(restored)
  })

  it.each([
    'lines=verb',
    'panels=source',
    'known=maybe',
    'from=moon',
    'value=x',
    'layer=-1',
    'layer=1.5',
    'layer=999999',
  ])('does without what cannot be read: %s', (query) => {
    expect(viewOf(new URLSearchParams(query))).toEqual(viewOf(new URLSearchParams()))
  })
})

describe('a view of a study', () => {
  it('shows the sources of the first model in its window, to begin with', async () => {
    const { resolved, panels, asked } = await shown('')
    expect(resolved.shown).toEqual({
      ...{ model: ['deep'], dataset: ['d'], window: ['default'], source: ['subject', 'last'] },
      ...{ target: ['last'], features: ['all'] },
    })
    expect(keysOf(panels)).toEqual([['', ['subject', 'last']]])
    expect(panels[0]!.lines.map(({ curve }) => curve.at.window)).toEqual([9, 9])
    expect(depthOf(panels)).toBe('layers')
    const curves = panels.flatMap(({ lines }) => lines.map(({ curve }) => curve))
    expect(fixedText(asked, curves, promptsText(asked))).toBe(
      'deep, d, sources → last, window of 9 layers; all prompts',
    )
  })

  it('says what is not there with what else is chosen', () => {
    const possible = (query: string, dimension: 'features' | 'window'): string[] =>
      resolve(view(query), overview)
        .options[dimension].filter((option) => option.possible)
        .map(({ value }) => value)
    expect(possible('', 'features')).toEqual(['all', 'context-dependent', 'context-independent'])
    expect(possible('model=flat', 'features')).toEqual(['all'])
    expect(possible('model=flat', 'window')).toEqual(['default', '1', '2'])
    expect(possible('', 'window')).toEqual(['default', '1', '9'])
    // The default of what was not chosen fits what was.
    expect(resolve(view('features=context-dependent'), overview).shown.model).toEqual(['deep'])
    expect(resolve(view('lines=features&model=nobody'), overview).shown.model).toEqual(['deep'])
  })

  it('names the default window', () => {
    const label = (query: string): string => resolve(view(query), overview).options.window[0]!.label
    expect(label('')).toBe('default (9 layers)')
    expect(label('model=flat')).toBe('default (2 layers)')
    expect(label('lines=model')).toBe('each model’s default')
  })

  it('puts lines into plots and keeps their colours', async () => {
    const { panels } = await shown('lines=source&panels=model')
    expect(keysOf(panels)).toEqual([
      ['deep', ['subject', 'last']],
      ['flat', ['subject', 'last']],
    ])
    expect(depthOf(panels)).toBe('percent')
    const one = await shown('source=last')
    expect(one.panels[0]!.lines.map(({ style, label }) => [style, label])).toEqual([[1, 'last']])
    const windows = await shown('lines=window')
    expect(windows.panels[0]!.lines.map(({ label }) => label)).toEqual(['1 layer', '9 layers'])
  })

  it('finds the point that was picked, and asks for its effects', async () => {
    const { asked, panels, resolved } = await shown('panels=model&line=last&panel=flat&layer=2&known=known')
    const { line, point } = pickedPoint(asked.picked, panels)!
    expect([line.curve.at.model, point.firstLayer, point.n]).toEqual(['flat', 2, 2])
    const request = effectsRequest(resolved.request, line.curve.at, 2, 5)
    expect((await page.effects(request)).lowest.map(({ promptId }) => promptId)).toEqual(['b', 'c'])
    for (const query of ['line=last&layer=20', 'line=first&layer=1', 'line=last&panel=flat&layer=1', '']) {
      const other = await shown(query)
      expect(pickedPoint(other.asked.picked, other.panels)).toBeUndefined()
    }
  })

  it('is a figure, unless there is nothing in it', async () => {
    const { asked, panels } = await shown('lines=features&value=accuracy')
    const look = { size: 'screen', theme: 'dark' } as const
    expect(figureSpec(asked, overview, panels, look)).toMatchObject({ description: "The sample's title" })
    const none = await shown('model=flat&features=context-dependent')
    expect(() => figureSpec(none.asked, overview, none.panels, look)).toThrow(/columns: must not be empty/)
  })
})

describe('the command of a figure', () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)

  /** Rows of the CSV that a command writes, by a shell's idea of its words. */
  async function run(command: string): Promise<Record<string, string>[]> {
    const script = `for word in ${command}; do printf '%s\\0' "$word"; done`
    const words = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1)
    const program = new Command('factflow').exitOverride()
    figureCommandLine(program)
    expect(words.slice(0, 3)).toEqual(['factflow', 'figure', 'a run'])
    words[2] = join(dir, words[2]!)
    const out = await mkdtemp(join(dir, 'out-'))
    await program.parseAsync([...words.slice(1), '-o', out], { from: 'user' })
    const [head, ...rows] = (await readFile(join(out, 'figure.csv'), 'utf8')).trim().split('\n')
    const names = head!.split(',')
    return rows.map((row) => Object.fromEntries(row.split(',').map((value, i) => [names[i]!, value])))
  }

  it.each([
    '',
    'lines=features&value=accuracy',
    'lines=source&panels=model&known=known',
    'lines=model&relation=capital&source=last',
    'lines=window&relation=capital&relation=currency&known=unknown&model=flat&set=correct',
    'source=last&model=flat&window=1&set=all-correct',
  ])('draws the same numbers: %s', async (query) => {
    const { asked, resolved, panels } = await shown(query)
    const command = figureCommand(asked, resolved, overview, panels)
    const rows = await run(command)
    const grid = gridOf(asked, overview, panels)
    const points = panels.flatMap((panel, column) =>
      panel.lines.flatMap(({ key, curve }) => {
        const line = grid.lines.findIndex((one) => one.key === key)
        const cell = grid.cells.find((one) => one.column === column && one.line === line)!
        return cell.points.map((point) => ({ at: curve.at, point }))
      }),
    )
    expect(points.length).toBeGreaterThan(4)
    expect(rows).toHaveLength(points.length)
    for (const { at, point } of points) {
      const row = rows.find(
        (one) =>
          Object.entries(at).every(([name, value]) => one[name] === String(value)) &&
          one.first_layer === String(point.firstLayer),
      )!
      expect(row, `${command}: ${JSON.stringify(at)} ${point.firstLayer}`).toBeDefined()
      expect(Number(row.mean)).toBeCloseTo(point.mean, 9)
      expect(Number(row.n)).toBe(point.n)
      if (point.low !== undefined) {
        expect(Number(row.low)).toBeCloseTo(point.low, 9)
        expect(Number(row.high)).toBeCloseTo(point.high!, 9)
      }
    }
  })

  it('is a remark where there are means alone', async () => {
    const { asked, resolved, panels } = await shown('')
    const means = { ...overview, byPrompt: false }
    expect(figureCommand(asked, resolved, means, panels)).toMatch(/^# .*means alone/)
  })
})
