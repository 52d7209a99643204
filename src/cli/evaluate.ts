/** `factflow evaluate`: which facts does the model know? */
import { type Command, Option } from 'commander'
import {
  type Accuracy,
  accuracies,
  type Evaluation,
  evaluate,
  evaluationTexts,
} from '../experiments/evaluate.js'
import type { Model } from '../model.js'
import { shuffled } from '../prompts/sample.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import { checkWritable } from '../results/whole-file.js'
import { type FactOptions, preparedFacts, readFacts, withFactFilters } from './facts.js'
import { type ModelOptions, wholeNumber, withModel, withModelOptions } from './options.js'
import { withProgress } from './progress.js'
import { type StoreOptions, withStoreOptions } from './store-options.js'
import { tableLines } from './table.js'
import { note, plural, print } from './terminal.js'

interface EvaluateOptions extends ModelOptions, Omit<FactOptions, 'limit'>, StoreOptions {
  readonly limit?: number
  readonly top: number
  readonly continuation: number
  readonly json?: boolean
  readonly csv?: string
}

export function evaluateCommand(program: Command): void {
  const command = program
    .command('evaluate')
    .description('which facts a model knows: is the first token of the right answer its first choice?')
  withStoreOptions(withModelOptions(withFactFilters(command)), ['csv'])
    .option('--json', 'print the result as JSON, with every prompt')
    .option('--csv <file>', 'write a line for every prompt as CSV')
    .addOption(
      new Option('--top <k>', 'most probable tokens of each prompt, in --json and --csv')
        .argParser(wholeNumber('--top', 1))
        .default(5),
    )
    .addOption(
      new Option(
        '--continuation <n>',
        'tokens that the model itself writes after each prompt, in --json and --csv; 0 for none',
      )
        .argParser(wholeNumber('--continuation', 0))
        .default(5),
    )
    .addHelpText('after', '\nExample:\n  factflow evaluate -m tiny-gpt2 -r country_capital --split train')
    .hook('preAction', async (_, action) => {
      const { csv } = action.opts<EvaluateOptions>()
      if (csv !== undefined) await checkWritable(csv)
    })
    .action(async (options: EvaluateOptions, action: Command) => {
      const { out } = options
      if (out !== undefined) {
        const { storeExperiment } = await import('./store-action.js')
        const { top, continuation } = options
        const asked = ['top', 'continuation'].some((name) => action.getOptionValueSource(name) !== 'default')
        const evaluate = asked ? { evaluate: { top, continuation } } : {}
        await storeExperiment('evaluate', options, evaluate, { ...options, out })
        return
      }
      await withModel(options, async (model) => {
        const facts = await readFacts(options.data, options)
        const tokenizer = await model.tokenizer()
        const drawn = options.limit === undefined ? facts : shuffled(facts, options.seed)
        const prompts = await preparedFacts(model, drawn.slice(0, options.limit), options.data)
        const { top, continuation, json, csv } = options
        const each = json || csv !== undefined ? { topK: top, continuation } : {}
        const evaluations = await withProgress('evaluate', (onProgress) =>
          evaluate(model, prompts, { ...each, onProgress }),
        )
        const by = accuracies(evaluations)
        if (csv !== undefined) {
          // DuckDB takes a while to load.
          const { writeEvaluations } = await import('../results/evaluation-csv.js')
          await writeEvaluations(csv, evaluations, tokenizer)
          note(`wrote ${csv}`)
        }
        if (json) print(JSON.stringify(evaluateJson(model, options.data, evaluations, by, tokenizer)))
        else print(text(model, options.data, by))
      })
    })
}

function text(model: Model, data: string, { all, relations }: ReturnType<typeof accuracies>): string {
  const row = (name: string, { n, right, prob }: Accuracy): string[] => [
    name,
    n.toLocaleString('en'),
    right.toLocaleString('en'),
    ((100 * right) / n).toFixed(2),
    prob.toFixed(3),
  ]
  const rows = [
    ['RELATION', 'PROMPTS', 'RIGHT', '%', 'MEAN P'],
    ...relations.map(([relation, accuracy]) => row(relation, accuracy)),
    row('all', all),
  ]
  const lines = [
    `${model.name}, ${plural(all.n, 'prompt')} of ${data}. RIGHT: the answer's first token is the model's first choice`,
    '',
    ...tableLines(rows, new Set([0])),
  ]
  return lines.join('\n')
}

function evaluateJson(
  model: Model,
  data: string,
  evaluations: readonly Evaluation[],
  { all, relations }: ReturnType<typeof accuracies>,
  tokenizer: Tokenizer,
): object {
  return {
    model: model.name,
    data,
    ...all,
    relations: Object.fromEntries(relations),
    prompts: evaluations.map((evaluation) => ({
      id: evaluation.prompt.fact.id,
      correct: evaluation.correct,
      prob: evaluation.base.prob,
      rank: evaluation.base.rank,
      ...evaluationTexts(evaluation, tokenizer),
    })),
  }
}
