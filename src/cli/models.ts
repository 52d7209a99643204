/** `factflow models`: what can be named with --model. */
import type { Command } from 'commander'
import stringWidth from 'string-width'
import { embeddedModels } from '../checkpoints/embedded.js'
import { openFolder } from '../checkpoints/folder.js'
import { wrap } from '../figures/text.js'
import { openModel } from '../models/registry.js'
import { print, width } from './terminal.js'

export interface ModelEntry {
  readonly name: string
  readonly architecture: string
  readonly layers: number
  readonly width: number
  readonly vocabulary: number
  /** Size of the weight files in bytes. */
  readonly disk: number
  /** Bytes of the weights in memory, float32. */
  readonly memory: number
  readonly folder: string
}

export function modelsCommand(program: Command): void {
  program
    .command('models')
    .description('list the models that come with factflow')
    .option('--json', 'print the list as JSON')
    .action(async (options: { json?: boolean }) => {
      const entries = await listModels()
      if (options.json) print(JSON.stringify(entries))
      else print(table(entries))
    })
}

export async function listModels(): Promise<ModelEntry[]> {
  const entries: ModelEntry[] = []
  for (const { name, dir } of await embeddedModels()) {
    const checkpoint = await openFolder(dir, name)
    const { modelType, nLayers, dModel, vocabSize, costs } = openModel(checkpoint)
    entries.push({
      name,
      architecture: modelType,
      layers: nLayers,
      width: dModel,
      vocabulary: vocabSize,
      disk: checkpoint.bytes,
      memory: nLayers * costs.layerBytes + costs.headBytes,
      folder: dir,
    })
    await checkpoint.close()
  }
  return entries
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function table(entries: readonly ModelEntry[]): string {
  const rows = [
    ['MODEL', 'TYPE', 'LAYERS', 'WIDTH', 'VOCAB', 'DISK', 'MEMORY'],
    ...entries.map((e) => [
      e.name,
      e.architecture,
      `${e.layers}`,
      `${e.width}`,
      `${e.vocabulary}`,
      megabytes(e.disk),
      megabytes(e.memory),
    ]),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => stringWidth(row[column]!))))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  '),
  )
  const more = 'Any folder in Hugging Face layout with a model of these types works, too: --model DIR'
  return [...lines, '', ...wrap(more, width())].join('\n')
}
