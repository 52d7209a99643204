/** factflow/studies: data sets, studies, stored results, figures as files. Node only. */

export { importAuthors } from '../authors/import.js'
export { type Dataset, readDataset } from '../datasets/read.js'
export { toPng, toSvg } from '../figures/render.js'
export type { Row } from '../results/database.js'
export { Results } from '../results/results.js'
export type {
  EvaluationRow,
  FeatureRow,
  KnockoutRow,
  PromptSetRow,
  UnusableRow,
} from '../results/rows.js'
export type { DrawnFigure } from './drawn.js'
export { drawFigures } from './figures.js'
export { finishStudy, saveFigureFiles } from './finish.js'
export { presetStudy } from './presets.js'
export { runStudy, type StudyOptions, type StudyOutcome } from './run.js'
export { type Figure, parseStudy, type Study } from './study.js'
