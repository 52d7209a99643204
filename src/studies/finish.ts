/** The end of a study: figures, tables and report from what its run folder holds. */
import { join } from 'node:path'
import { makeFolder } from '../checkpoints/make-folder.js'
import { InputError } from '../errors.js'
import { toPng, toSvg } from '../figures/render.js'
import type { Progress } from '../model.js'
import { writeCsv } from '../results/csv.js'
import { Results } from '../results/results.js'
import { writeWhole } from '../results/whole-file.js'
import { VERSION } from '../version.js'
import type { DrawnFigure, StudyFigure } from './drawn.js'
import { drawFigures, resolved } from './figures.js'
import { reportHtml } from './report.js'
import type { Study } from './study.js'
import { reportTables, strongestEffects, summarySentences } from './summary-tables.js'

export interface FinishOptions {
  readonly onProgress?: (progress: Progress) => void
  readonly onNote?: (text: string) => void
}

export interface Finished {
  /** What the results show, in sentences. */
  readonly summary: readonly string[]
  /** Names of the figures. */
  readonly figures: readonly string[]
  /** Path of the report. */
  readonly report: string
}

/**
 * Draw a study's figures and write its tables and report, from what is stored. Figures of which nothing is stored are
 * left out with a note.
 * @throws InputError when a figure's definition does not fit the results, or a file cannot be written
 */
export async function finishStudy(study: Study, dir: string, options: FinishOptions = {}): Promise<Finished> {
  const results = await Results.open([dir])
  try {
    const drawn: DrawnFigure[] = []
    for (const figure of study.figures) {
      const isPreset = typeof figure === 'string'
      try {
        drawn.push(...(await drawFigures(await resolved(figure, results), results, study.size)))
      } catch (error) {
        // A preset is drawn from whatever there is; a figure that somebody has written is meant as written.
        if (!(error instanceof InputError) || !isPreset) throw error
        options.onNote?.(`left out ${error.message}`)
      }
    }
    const figures: StudyFigure[] = []
    for (const [i, figure] of drawn.entries()) {
      await saveFigureFiles(figure, join(dir, 'figures'))
      figures.push(await onScreen(figure))
      options.onProgress?.({ done: i + 1, total: drawn.length })
    }
    const effects = await strongestEffects(results)
    const tables = await reportTables(results, effects)
    const summary = await summarySentences(results, effects)
    await makeFolder(join(dir, 'tables'))
    for (const { name, columns, rows } of tables) {
      const lines = rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i]!.name, value])))
      await writeCsv(join(dir, 'tables', `${name}.csv`), lines)
    }
    const report = join(dir, 'report.html')
    const { created, updated } = results.runs[0]!.file
    const contents = { study, summary, figures, tables, version: VERSION, created, updated }
    await writeWhole(report, reportHtml(contents))
    return { summary, figures: figures.map(({ name }) => name), report }
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
  await makeFolder(folder)
  const file = (ending: string): string => join(folder, `${name}.${ending}`)
  const spec = figure.spec({ size, theme: 'light' })
  const light = await toSvg(spec)
  const dark = await toSvg(figure.spec({ size, theme: 'dark' }))
  await writeWhole(file('svg'), light)
  await writeWhole(file('dark.svg'), dark)
  await writeWhole(file('png'), toPng(light))
  await writeWhole(file('dark.png'), toPng(dark))
  await writeWhole(file('vl.json'), `${JSON.stringify(spec, null, 2)}\n`)
  await writeCsv(file('csv'), rows)
}
