/** Facts for a command: from which file, which of them, and which the model knows. */
import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { ATLAS_FILE } from '../checkpoints/embedded.js'
import { InputError, show } from '../errors.js'
import { type Evaluation, evaluate } from '../experiments/evaluate.js'
import type { Model, SweepSettings } from '../model.js'
import { type Fact, type PreparedPrompt, parseFacts, preparePrompt } from '../prompts/facts.js'
import { shuffled } from '../prompts/sample.js'
import { systemReason } from '../results/whole-file.js'
import { wholeNumber } from './options.js'

export interface FactOptions {
  readonly data: string
  readonly relation?: readonly string[]
  readonly split?: string
  readonly limit: number
  readonly seed: number
  readonly unknown?: boolean
}

/** -d, --data */
export function dataOption(): Option {
  return new Option(
    '-d, --data <file>',
    'facts: `atlas` (embedded) or a JSON Lines file (see data/README.md)',
  ).default('atlas')
}

/** --data, --relation, --split, --limit, --seed; the limit is what is drawn by default, or left out: all. */
export function withFactFilters(command: Command, limit?: number): Command {
  return command
    .addOption(dataOption())
    .option('-r, --relation <names...>', 'only facts of these relations')
    .option(
      '--split <name>',
      `only facts of this split, or all (default: ${DEFAULT_SPLIT} where --data has splits)`,
    )
    .addOption(
      new Option('-n, --limit <n>', `how many facts${limit ? '' : ' (default: all)'}`)
        .argParser(wholeNumber('--limit', 1))
        .default(limit),
    )
    .addOption(
      new Option('--seed <n>', 'which facts are drawn').argParser(wholeNumber('--seed', 0)).default(0),
    )
}

/** The filters, and --unknown */
export function withFactOptions(command: Command): Command {
  return withFactFilters(command, 200).option(
    '--unknown',
    'also facts that the model does not know (its first choice is another token)',
  )
}

/** What the embedded models have not seen: a fact counts as known when it is, in other words too. */
const DEFAULT_SPLIT = 'held-out'

/** Which facts of a data set. */
export interface FactFilter {
  readonly relation?: readonly string[]
  /** A split's name, or `all`. Left out: `held-out` where the data set has splits. */
  readonly split?: string
}

/**
 * Read a data set.
 * @throws InputError when the file is missing or a line of it is wrong, or no fact is of a wanted relation or split
 */
export async function readFacts(data: string, { relation, split }: FactFilter = {}): Promise<Fact[]> {
  const file = data === 'atlas' ? ATLAS_FILE : data
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new InputError(
      `--data: must be atlas or a JSON Lines file, got ${show(data)} (${systemReason(error)}); check the path`,
    )
  }
  const facts = parseFacts(text, file)
  checkNames(facts, data, 'relation', relation ?? [])
  const wanted = split ?? (facts.some((fact) => fact.split === DEFAULT_SPLIT) ? DEFAULT_SPLIT : 'all')
  if (wanted !== 'all') checkNames(facts, data, 'split', [wanted])
  const chosen = facts.filter(
    (fact) =>
      (wanted === 'all' || fact.split === wanted) &&
      (!relation || (fact.relation !== undefined && relation.includes(fact.relation))),
  )
  if (chosen.length > 0) return chosen
  throw new InputError(
    `--split: must have facts of ${relation!.join(', ')} in ${data}, got none in ${wanted}; try --split all`,
  )
}

/**
 * The facts of these ids, in order. In the atlas an id without its last part, such as `country_capital/0012`, is the
 * fact in the wording that is held out.
 * @throws InputError when the file cannot be read or has no such id
 */
export async function factsById(data: string, ids: readonly string[]): Promise<Fact[]> {
  const facts = await readFacts(data, { split: 'all' })
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

/** @throws InputError when a name is none of the data set's relations or splits */
function checkNames(
  facts: readonly Fact[],
  data: string,
  field: 'relation' | 'split',
  names: readonly string[],
): void {
  const known = new Set(facts.map((fact) => fact[field]))
  for (const name of names) {
    if (known.has(name)) continue
    const all = Array.from(known)
      .filter((one) => one !== undefined)
      .sort()
    throw new InputError(
      `--${field}: must be a ${field} of ${data} (${all.join(', ') || 'it has none'}), got ${show(name)}; change it`,
    )
  }
}

export interface ChosenFacts {
  readonly prompts: PreparedPrompt[]
  /** Facts that were evaluated to find them. */
  readonly evaluated: number
  /** Facts in the data set, after filters. */
  readonly available: number
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
  let evaluated = 0
  while (evaluated < order.length && prompts.length < options.limit) {
    const some = order
      .slice(evaluated, evaluated + EVALUATE_AT_ONCE)
      .map((fact) => preparePrompt(tokenizer, fact))
    evaluated += some.length
    if (options.unknown) {
      prompts.push(...some)
    } else {
      prompts.push(...known(await evaluate(model, some, settings)))
    }
  }
  if (prompts.length === 0) {
    throw new InputError(
      `--data: the model must know some of the facts, got none of ${evaluated}; use other facts, or --unknown to take them all the same`,
    )
  }
  return {
    prompts: prompts.slice(0, options.limit),
    evaluated: options.unknown ? 0 : evaluated,
    available: facts.length,
  }
}

/** The prompts that the model completes with the right answer. */
export function known(evaluations: readonly Evaluation[]): PreparedPrompt[] {
  return evaluations.filter(({ correct }) => correct).map(({ prompt }) => prompt)
}
