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

/** --data, --relation, --limit, --seed, --unknown */
export function withFactOptions(command: Command): Command {
  return command
    .addOption(dataOption())
    .option('-r, --relation <names...>', 'only facts of these relations')
    .addOption(
      new Option('-n, --limit <n>', 'how many facts').argParser(wholeNumber('--limit', 1)).default(200),
    )
    .addOption(
      new Option('--seed <n>', 'which facts are drawn').argParser(wholeNumber('--seed', 0)).default(0),
    )
    .option('--unknown', 'also facts that the model does not know (its first choice is another token)')
}

/**
 * Read a data set.
 * @throws InputError when the file is missing or a line of it is wrong, or no fact is of the wanted relations
 */
export async function readFacts(data: string, relations?: readonly string[]): Promise<Fact[]> {
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
  if (!relations) return facts
  const known = new Set(facts.map((fact) => fact.relation))
  for (const relation of relations) {
    if (known.has(relation)) continue
    const names = Array.from(known)
      .filter((name) => name !== undefined)
      .sort()
    throw new InputError(
      `--relation: must be a relation of ${data} (${names.join(', ')}), got ${show(relation)}; change it`,
    )
  }
  return facts.filter((fact) => fact.relation !== undefined && relations.includes(fact.relation))
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
  const facts = await readFacts(options.data, options.relation)
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
