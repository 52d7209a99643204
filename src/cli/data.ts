/** `factflow data`: which data sets there are, what is in one, and what of it cannot be used. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { ATLAS_FILE } from '../checkpoints/embedded.js'
import { cachedDatasets } from '../checkpoints/hub-dataset.js'
import { prepareFacts } from '../datasets/prepare.js'
import { ALIASES, ATLAS } from '../datasets/read.js'
import { type FactFilter, selectFacts } from '../datasets/select.js'
import { InputError } from '../errors.js'
import { wrap } from '../figures/text.js'
import { type Described, describedJson, describedText } from './data-text.js'
import {
  columnsOption,
  noteUnusable,
  openData,
  type SourceOptions,
  withFilterOptions,
  withSampleOptions,
} from './facts.js'
import { modelText } from './model-text.js'
import { onNote, withHubOptions } from './options.js'
import { withDownloads } from './progress.js'
import { tableLines } from './table.js'
import { print, width } from './terminal.js'

interface DataCommandOptions extends FactFilter, Omit<SourceOptions, 'offline'> {
  readonly limit?: number
  readonly seed: number
  readonly model?: string
  readonly tokenizer?: string
  readonly revision?: string
  readonly offline?: true
  readonly list?: true
  readonly facts?: true
  readonly json?: true
}

export function dataCommand(program: Command): void {
  const command = program
    .command('data')
    .description('list data sets; or say what is in one, what of it cannot be used and why, and convert it')
    .argument('[source]', 'atlas, a file (JSONL, JSON, CSV, TSV, Parquet), or a data set on the Hub')
    .addOption(columnsOption())
  withSampleOptions(withFilterOptions(command, 'all'))
    .option('-m, --model <name>', 'also say what this model cannot use; its weights are not needed')
    .option('--tokenizer <name>', 'folder, tokenizer.json or Hub id, alone or for --model')
  withHubOptions(command)
    .option('--list', 'print everything that cannot be used, with its place and why')
    .option('--facts', 'print the facts that can be used as JSON Lines, and nothing else')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
On the Hub: an id, owner/name, or owner/name@revision for another than the main
one. ${Object.entries(ALIASES)
        .map(([alias, id]) => `${alias} is short for ${id}`)
        .join(', ')}.
What a file must hold: data/README.md.

Examples:
  factflow data counterfact
  factflow data facts.csv --columns prompt=text,subject=entity,answer=object
  factflow data known_1000.json --model tiny-gpt2 --list
  factflow data counterfact --relation P103 --facts > mother-tongues.jsonl`,
    )
    .action(async (source: string | undefined, options: DataCommandOptions) => {
      if (source === undefined) await list(options)
      else await describe(source, options)
    })
}

/** A data set that can be named. */
interface DataEntry {
  /** What --data takes. */
  readonly source: string
  /** Its id on the Hub. */
  readonly id?: string
  /** Whether it is on this machine. */
  readonly here: 'embedded' | 'cached' | 'no'
  /** Of its files, where they are on this machine. */
  readonly bytes?: number
}

async function list(options: DataCommandOptions): Promise<void> {
  const { json, seed: _, offline: __, ...others } = options
  const other = Object.entries(others).find(([, value]) => value !== undefined)?.[0]
  if (other !== undefined) {
    throw new InputError(
      `source: must be given with --${other}, got nothing; name a data set, such as ${ATLAS}`,
    )
  }
  const cached = new Map((await cachedDatasets()).map((one) => [one.id, one]))
  const entries: DataEntry[] = [{ source: ATLAS, here: 'embedded', bytes: (await stat(ATLAS_FILE)).size }]
  for (const [source, id] of Object.entries(ALIASES)) {
    const here = cached.get(id)
    entries.push({ source, id, here: here ? 'cached' : 'no', bytes: here?.bytes })
    cached.delete(id)
  }
  for (const { id, bytes } of cached.values()) entries.push({ source: id, id, here: 'cached', bytes })
  if (json) {
    print(JSON.stringify(entries))
    return
  }
  const rows = entries.map(({ source, id, here, bytes }) => [
    source,
    id ?? '',
    bytes === undefined ? '' : `${(bytes / 1e6).toFixed(1)} MB`,
    here === 'no' ? '' : here,
  ])
  print(tableLines([['SOURCE', 'ON THE HUB', 'SIZE', 'HERE'], ...rows], new Set([0, 1, 3])).join('\n'))
  print('')
  const more = 'Also a file, or any data set on the Hub by its id: see factflow data --help.'
  for (const line of wrap(more, width())) print(line)
}

async function describe(source: string, options: DataCommandOptions): Promise<void> {
  const { relation, split = 'all', limit, seed, revision, offline } = options
  const data = await openData(source, options)
  const facts =
    data.facts.length === 0 ? [] : selectFacts(data.facts, { relation, split, sample: limit, seed }, source)
  const asked = options.model !== undefined || options.tokenizer !== undefined
  const text =
    asked &&
    (await withDownloads((onProgress) => modelText(options, { revision, offline, onProgress, onNote })))
  const described: Described = {
    data,
    facts,
    ...(text && { model: { text, ...prepareFacts(text.tokenizer, facts, text) } }),
  }
  if (options.facts) printFacts(source, described)
  else if (options.json) print(JSON.stringify(describedJson(described, options.list)))
  else print(describedText(described, options.list).join('\n'))
}

function printFacts(source: string, { data, facts, model }: Described): void {
  noteUnusable(source, data.facts.length + data.unusable.length, data.unusable)
  if (model) noteUnusable(source, facts.length, model.unusable, model.text.name)
  const usable = model ? model.prompts.map(({ fact }) => fact) : facts
  if (usable.length > 0) print(usable.map((fact) => JSON.stringify(fact)).join('\n'))
}
