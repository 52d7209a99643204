/** What figures of studies have in common. */
import { InputError } from '../errors.js'
import type { Look, Size } from '../figures/look.js'
import type { VegaLiteSpec } from '../figures/style.js'
import type { Row } from '../results/database.js'
import type { Results } from '../results/results.js'

/** A figure before it is rendered. */
export interface DrawnFigure {
  /** Of its files. */
  readonly name: string
  readonly title: string
  spec(look: Look): VegaLiteSpec
  readonly size: Size
  /** The numbers that it shows, for a CSV beside it. */
  readonly rows: readonly Row[]
}

/** A figure in a report: SVG of both themes. */
export interface StudyFigure {
  readonly name: string
  readonly title: string
  readonly light: string
  readonly dark: string
}

/** There is nothing in the results of what a figure is about. */
export class NothingStored extends InputError {}

/** Models of the runs, in the order in which studies name them. */
export function modelOrder(results: Results): string[] {
  return [...new Set(results.runs.flatMap(({ file }) => Object.keys(file.models)))]
}

/**
 * Names of the files of several figures of one definition: its name, and what tells each apart, without clashes.
 * @param values one for each figure
 */
export function fileNames(name: string, values: readonly string[]): string[] {
  if (values.length === 1) return [name]
  return unique(values.map((value) => `${name}-${value.replace(/[^\w.-]+/g, '-')}`))
}

/** Names of files without clashes: what comes again gets a number. */
export function unique(names: readonly string[]): string[] {
  const used = new Set<string>()
  return names.map((name) => {
    let own = name
    // Some file systems do not tell upper from lower case.
    for (let i = 2; used.has(own.toLowerCase()); i++) own = `${name}-${i}`
    used.add(own.toLowerCase())
    return own
  })
}
