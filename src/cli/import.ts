/** `factflow import`: the authors' results into a run folder. */
import { join } from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import type { ResultFile } from '../authors/files.js'
import type { Imported, ImportedModel } from '../authors/import.js'
import { EXIT_SOME_FAILED } from '../exit-codes.js'
import { visibleText } from '../figures/text.js'
import { RUNS } from '../studies/names.js'
import { onNote } from './options.js'
import { withProgress } from './progress.js'
import { tableLines } from './table.js'
import { note, plural, print } from './terminal.js'

interface ImportOptions {
  readonly out: string
  readonly codeVersion?: string
  readonly json?: true
}

export function importCommand(program: Command): void {
  program
    .command('import')
    .description(
      "results of the paper authors' code (info_flow.json, outputs.csv, heatmaps.h5) into a run folder",
    )
    .argument('<folder>', 'their output folder, or any folder in it')
    .option('-o, --out <folder>', 'run folder', join(RUNS, 'authors'))
    .option('--code-version <name>', 'which of their code versions (v=...), where there are several')
    .option('--json', 'print what was imported as JSON')
    .addHelpText(
      'after',
      `
Models are called as the authors call them (mamba1-130M). Prompts have the
numbers that their split of CounterFact gave them: match prompts with other
results by their text. Each model's prompt set \`correct\` is what it knows.

Example:
  factflow import mamba-knockout/output -o runs/authors`,
    )
    .action(async (folder: string, { out, codeVersion: version, json }: ImportOptions) => {
      const { importAuthors } = await import('../authors/import.js')
      const notes: string[] = []
      const failures: string[] = []
      let imported: Imported
      try {
        imported = await withProgress('import', (onProgress) =>
          importAuthors(folder, out, {
            version,
            onProgress,
            onNote: (text) => notes.push(text),
            onFailure: ({ message }) => failures.push(message),
          }),
        )
      } finally {
        // After the bar, and also where nothing could be imported: they say why.
        for (const text of notes) onNote(text)
        for (const message of failures) note(`error: ${visibleText(message)}`)
      }
      if (json) print(JSON.stringify({ folder, out, ...imported, notes, failures }))
      else print(text(folder, out, imported))
      if (failures.length > 0) process.exitCode = EXIT_SOME_FAILED
    })
}

/** What their experiments are called here. */
const EXPERIMENTS: Readonly<Record<ResultFile['kind'], string>> = {
  evaluation: 'evaluate',
  'info-flow': 'info-flow',
  heatmap: 'heatmap',
}

function text(folder: string, out: string, { version, models }: Imported): string {
  const rows = [
    ['MODEL', 'ON THE HUB', 'EXPERIMENT', 'FILES', 'PROMPTS', 'ROWS'],
    ...models.flatMap(modelRows),
  ]
  const banned = models.filter((model) => model.banned > 0)
  const lines = [
    `${plural(models.length, 'model')} of ${folder}, code version ${version}, in ${out}`,
    '',
    ...tableLines(rows, new Set([0, 1, 2])),
    ...(banned.length > 0 ? [''] : []),
    ...banned.map((one) => `${one.model}: ${plural(one.banned, 'prompt')} banned by the authors' code`),
  ]
  return lines.map(visibleText).join('\n')
}

function modelRows({ model, id, results }: ImportedModel): string[][] {
  return Object.entries(results).map(([kind, { files, prompts, rows }], i) => [
    ...(i === 0 ? [model, id ?? ''] : ['', '']),
    EXPERIMENTS[kind as ResultFile['kind']],
    ...[files, prompts, rows].map((n) => n.toLocaleString('en')),
  ])
}
