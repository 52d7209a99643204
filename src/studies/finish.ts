/** The end of a study: figures, tables and report from what its run folder holds. */
import { join } from 'node:path'
import { makeFolder } from '../checkpoints/make-folder.js'
import { InputError } from '../errors.js'
import { toPng, toSvg } from '../figures/render.js'
import type { Progress } from '../model.js'
import { writeCsv } from '../results/csv.js'
import { Results } from '../results/results.js'
import { systemReason, writeWhole } from '../results/whole-file.js'
import { VERSION } from '../version.js'
import { type DrawnFigure, NothingStored, type StudyFigure, unique } from './drawn.js'
import { drawFigures, resolved } from './figures.js'
import { reportHtml } from './report.js'
import type { Study } from './study.js'
import { reportTables, strongestEffects, summarySentences } from './summary-tables.js'

export interface FinishOptions {
  readonly onProgress?: (progress: Progress) => void
  readonly onNote?: (text: string) => void
  readonly signal?: AbortSignal
}

export interface Finished {
  /** What the results show, in sentences. */
  readonly summary: readonly string[]
  /** Names of the figures. */
  readonly figures: readonly string[]
  /** What is wrong with figures of the study that could not be drawn. */
  readonly wrong: readonly string[]
  /** Path of the report. */
  readonly report: string
}

/**
 * Draw a study's figures and write its tables and report, from what is stored. Figures of which nothing is stored are
 * left out with a note; those whose definition does not fit the results are in `wrong`.
 * @throws InputError when a file cannot be written; the signal's reason
 */
export async function finishStudy(study: Study, dir: string, options: FinishOptions = {}): Promise<Finished> {
  const results = await Results.open([dir])
  try {
    for (const text of results.leftOut) options.onNote?.(text)
    const drawn: DrawnFigure[] = []
    const wrong: string[] = []
    for (const figure of study.figures) {
      try {
        drawn.push(...(await drawFigures(await resolved(figure, results), results, study.size)))
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        // A preset is drawn from whatever there is; a figure that somebody has written is meant as written.
        if (error instanceof NothingStored && typeof figure === 'string')
          options.onNote?.(`left out ${error.message}`)
        else wrong.push(error.message)
      }
    }
    const figures: StudyFigure[] = []
    const names = unique(drawn.map(({ name }) => name))
    for (const [i, figure] of drawn.entries()) {
      options.signal?.throwIfAborted()
      const named = { ...figure, name: names[i]! }
      await saveFigureFiles(named, join(dir, 'figures'))
      figures.push(await onScreen(named))
      options.onProgress?.({ done: i + 1, total: drawn.length })
    }
    const effects = await strongestEffects(results)
    const tables = await reportTables(results, effects)
    const summary = await summarySentences(results, effects)
    await makeOutputFolder(join(dir, 'tables'))
    for (const { name, data } of tables) await writeCsv(join(dir, 'tables', `${name}.csv`), data)
    const report = join(dir, 'report.html')
    const { created, updated } = results.runs[0]!.file
    const contents = { study, summary, figures, tables, version: VERSION, created, updated }
    await writeWhole(report, reportHtml(contents))
    return { summary, figures: names, wrong, report }
  } finally {
    results.close()
  }
}

/** A figure as the report shows it. */
async function onScreen({ name, title, spec }: DrawnFigure): Promise<StudyFigure> {
  return {
    name,
    title,
    light: await toSvg(spec({ size: 'screen', theme: 'light' })),
    dark: await toSvg(spec({ size: 'screen', theme: 'dark' })),
  }
}

/** Write a figure: SVG and PNG, light and dark, its Vega-Lite spec and its data. */
export async function saveFigureFiles(figure: DrawnFigure, folder: string): Promise<void> {
  const { name, size, rows } = figure
  await makeOutputFolder(folder)
  const file = (ending: string): string => join(folder, `${name}.${ending}`)
  const spec = figure.spec({ size, theme: 'light' })
  const light = await toSvg(spec)
  const dark = await toSvg(figure.spec({ size, theme: 'dark' }))
  await writeWhole(file('svg'), light)
  await writeWhole(file('dark.svg'), dark)
  // 300 dots per inch, as journals want them.
  const scale = size === 'screen' ? 2 : 300 / 96
  await writeWhole(file('png'), toPng(light, { scale }))
  await writeWhole(file('dark.png'), toPng(dark, { scale }))
  await writeWhole(file('vl.json'), `${JSON.stringify(spec, null, 2)}\n`)
  await writeCsv(file('csv'), rows)
}

/** @throws InputError when it cannot be made */
async function makeOutputFolder(dir: string): Promise<void> {
  try {
    await makeFolder(dir)
  } catch (error) {
    throw new InputError(
      `${dir}: must be a folder or a place for one, got ${systemReason(error)}; choose another place`,
    )
  }
}
