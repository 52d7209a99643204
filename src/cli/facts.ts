/** Facts for a command: from which data set, which of them, and which the model knows. */
import { type Command, Option } from 'commander'
import { type ColumnMap, NAMED_FIELDS, type NamedField } from '../datasets/layouts.js'
import { prepareFacts } from '../datasets/prepare.js'
import { ATLAS, type Dataset, hubId, readDataset } from '../datasets/read.js'
import { DEFAULT_SPLIT, type FactFilter, selectFacts } from '../datasets/select.js'
import { countReasons, type Unusable } from '../datasets/unusable.js'
import { InputError, show } from '../errors.js'
import { type Evaluation, evaluate } from '../experiments/evaluate.js'
import type { Model, SweepSettings } from '../model.js'
import type { Fact, PreparedPrompt } from '../prompts/facts.js'
import { shuffled } from '../prompts/sample.js'
import { onNote, wholeNumber } from './options.js'
import { withDownloads } from './progress.js'
import { plural } from './terminal.js'

/** How a data set is read. */
export interface SourceOptions {
  readonly columns?: ColumnMap
  readonly offline?: true
}

export interface FactOptions extends FactFilter, SourceOptions {
  readonly data: string
  readonly limit: number
  readonly seed: number
  readonly unknown?: boolean
}

/** -d, --data */
export function dataOption(): Option {
  return new Option(
    '-d, --data <source>',
    'facts: `atlas` (embedded), a file, or a data set on the Hub (see `factflow data`)',
  ).default(ATLAS)
}

/** --columns */
export function columnsOption(): Option {
  return new Option(
    '--columns <map>',
    'columns of your own file: prompt=text,subject=entity,answer=object',
  ).argParser(columnMap)
}

/** `prompt=text,subject=entity` */
function columnMap(text: string): ColumnMap {
  const columns: Partial<Record<NamedField, string>> = {}
  for (const pair of text.split(',')) {
    const [, field, column] = /^\s*(\w+)\s*=\s*(.*\S)\s*$/.exec(pair) ?? []
    const known = NAMED_FIELDS.find((name) => name === field)
    if (known === undefined || column === undefined || known in columns) {
      throw new InputError(
        `--columns: must be FIELD=COLUMN, once for each of ${NAMED_FIELDS.join(', ')} that is named, got ${show(pair)}; write prompt=text,subject=entity,answer=object`,
      )
    }
    columns[known] = column
  }
  return columns
}

/** -r, --relation, --split */
export function withFilterOptions(command: Command, defaultSplit: string): Command {
  return command
    .option('-r, --relation <names...>', 'only facts of these relations')
    .option('--split <name>', `only facts of this split, or all (default: ${defaultSplit})`)
}

/** -n, --limit, --seed; the limit is what is drawn by default, or left out: all. */
export function withSampleOptions(command: Command, limit?: number): Command {
  return command
    .addOption(
      new Option('-n, --limit <n>', `how many facts${limit ? '' : ' (default: all)'}`)
        .argParser(wholeNumber('--limit', 1))
        .default(limit),
    )
    .addOption(
      new Option('--seed <n>', 'which facts are drawn').argParser(wholeNumber('--seed', 0)).default(0),
    )
}

/** --data, --columns, --relation, --split, --limit, --seed */
export function withFactFilters(command: Command, limit?: number): Command {
  command.addOption(dataOption()).addOption(columnsOption())
  withFilterOptions(command, `${DEFAULT_SPLIT} where --data has splits`)
  return withSampleOptions(command, limit)
}

/** The filters, and --unknown */
export function withFactOptions(command: Command): Command {
  return withFactFilters(command, 200).option(
    '--unknown',
    'also facts that the model does not know (its first choice is another token)',
  )
}

/**
 * Read a data set, as `readDataset`; of one on the Hub a revision may follow its id: `owner/name@revision`.
 * @throws InputError as `readDataset` does
 */
export async function openData(data: string, { columns, offline }: SourceOptions = {}): Promise<Dataset> {
  const { source, revision } = datasetName(data)
  return withDownloads((onProgress) =>
    readDataset(source, {
      ...{ columns, offline, onProgress, onNote },
      ...(revision !== undefined && { revision }),
    }),
  )
}

/** What --data names: of a data set on the Hub a revision may follow its id. */
export function datasetName(data: string): { readonly source: string; readonly revision?: string } {
  const [, id, revision] = /^([^@]+)@(.+)$/.exec(data) ?? []
  const pinned = id !== undefined && hubId(data) === undefined && hubId(id) !== undefined
  return pinned ? { source: id, revision } : { source: data }
}

/** Say on standard error what of `n` facts of a data set cannot be used (by a model), if anything. */
export function noteUnusable(data: string, n: number, unusable: readonly Unusable[], model?: string): void {
  if (unusable.length === 0) return
  const by = model === undefined ? '' : ` by ${model}`
  const more = model === undefined ? '' : ` --model ${model}`
  onNote(
    `${unusable.length.toLocaleString('en')} of ${plural(n, 'fact')} of ${data} cannot be used${by}: ${reasons(unusable)}; see factflow data ${data}${more}`,
  )
}

/** `9 subject not in the prompt, 3 no answer` */
function reasons(unusable: readonly Unusable[]): string {
  return Array.from(countReasons(unusable), ([reason, n]) => `${n.toLocaleString('en')} ${reason}`).join(', ')
}

/**
 * The facts of a data set that a filter takes. What cannot be used is said on standard error.
 * @throws InputError when it cannot be read, or no fact is of a wanted relation or split
 */
export async function readFacts(
  data: string,
  { relation, split, columns, offline }: FactFilter & SourceOptions = {},
): Promise<Fact[]> {
  const { facts, unusable } = await openData(data, { columns, offline })
  noteUnusable(data, facts.length + unusable.length, unusable)
  return selectFacts(facts, { relation, split }, data)
}

/**
 * The facts of these ids, in order. In the atlas an id without its last part, such as `country_capital/0012`, is the
 * fact in the wording that is held out.
 * @throws InputError when the data set cannot be read or has no such id
 */
export async function factsById(
  data: string,
  ids: readonly string[],
  options?: SourceOptions,
): Promise<Fact[]> {
  const facts = await readFacts(data, { ...options, split: 'all' })
  const byId = new Map(facts.map((fact) => [fact.id, fact]))
  for (const fact of facts) {
    const [, short] = /^(.+)\/[^/]*$/s.exec(fact.id) ?? []
    if (fact.split === DEFAULT_SPLIT && short && !byId.has(short)) byId.set(short, fact)
  }
  return ids.map((id) => {
    const fact = byId.get(id)
    if (fact) return fact
    throw new InputError(
      `--id: must be the id of a fact in ${data}, got ${show(id)}; write one as it stands there, such as ${facts[0]!.id}`,
    )
  })
}

/**
 * Facts in a model's tokens. Those that it cannot be asked are said on standard error.
 * @throws InputError when none is left
 */
export async function preparedFacts(
  model: Model,
  facts: readonly Fact[],
  data: string,
): Promise<PreparedPrompt[]> {
  const { prompts, unusable } = prepareFacts(await model.tokenizer(), facts, model.spec)
  noteUnusable(data, facts.length, unusable, model.name)
  if (prompts.length > 0) return prompts
  throw new InputError(
    `--data: ${model.name} must be able to read some of the facts, got none of ${facts.length} (${reasons(unusable)}); use other facts, or the model's own tokenizer`,
  )
}

export interface ChosenFacts {
  readonly prompts: PreparedPrompt[]
  /** Facts that were evaluated to find them. */
  readonly evaluated: number
  /** Facts in the data set, after filters. */
  readonly available: number
  /** Facts that were drawn to find them, and those among them that the model cannot be asked. */
  readonly drawn: number
  readonly unusable: readonly Unusable[]
}

/** Facts that are evaluated at a time while looking for known ones. */
const EVALUATE_AT_ONCE = 512

/**
 * Draw facts, by seed, that the model knows (or any, with `unknown`), up to the limit.
 * @throws InputError when none is left
 */
export async function chooseFacts(
  model: Model,
  options: FactOptions,
  settings: SweepSettings,
): Promise<ChosenFacts> {
  const facts = await readFacts(options.data, options)
  const tokenizer = await model.tokenizer()
  const order = shuffled(facts, options.seed)
  const prompts: PreparedPrompt[] = []
  const unusable: Unusable[] = []
  let evaluated = 0
  let drawn = 0
  while (drawn < order.length && prompts.length < options.limit) {
    const some = prepareFacts(tokenizer, order.slice(drawn, drawn + EVALUATE_AT_ONCE), model.spec)
    drawn = Math.min(drawn + EVALUATE_AT_ONCE, order.length)
    unusable.push(...some.unusable)
    if (options.unknown) {
      prompts.push(...some.prompts)
    } else {
      prompts.push(...known(await evaluate(model, some.prompts, settings)))
      evaluated += some.prompts.length
    }
  }
  if (prompts.length === 0) {
    throw new InputError(
      `--data: the model must know some of the facts, got none of ${drawn}; use other facts, or --unknown to take them all the same`,
    )
  }
  return {
    prompts: prompts.slice(0, options.limit),
    evaluated,
    available: facts.length,
    drawn,
    unusable,
  }
}

/** The prompts that the model completes with the right answer. */
export function known(evaluations: readonly Evaluation[]): PreparedPrompt[] {
  return evaluations.filter(({ correct }) => correct).map(({ prompt }) => prompt)
}
