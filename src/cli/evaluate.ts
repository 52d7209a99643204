/** `factflow evaluate`: which facts does the model know? */
import type { Command } from 'commander'
import { type Accuracy, accuracies, type Evaluation, evaluate } from '../experiments/evaluate.js'
import type { Model } from '../model.js'
import { preparePrompt } from '../prompts/facts.js'
import { shuffled } from '../prompts/sample.js'
import type { Tokenizer } from '../prompts/tokenizer.js'
import { type FactOptions, readFacts, withFactFilters } from './facts.js'
import { type ModelOptions, withModel, withModelOptions } from './options.js'
import { withProgress } from './progress.js'
import { tableLines } from './table.js'
import { plural, print } from './terminal.js'

interface EvaluateOptions extends ModelOptions, Omit<FactOptions, 'limit'> {
  readonly limit?: number
  readonly json?: boolean
}

export function evaluateCommand(program: Command): void {
  const command = program
    .command('evaluate')
    .description('which facts a model knows: is the first token of the right answer its first choice?')
  withModelOptions(withFactFilters(command))
    .option('--json', 'print the result as JSON, with every prompt')
    .addHelpText('after', '\nExample:\n  factflow evaluate -m tiny-gpt2 -r country_capital --split train')
    .action(async (options: EvaluateOptions) => {
      await withModel(options, async (model) => {
        const facts = await readFacts(options.data, options)
        const tokenizer = await model.tokenizer()
        const prompts = (options.limit === undefined ? facts : shuffled(facts, options.seed))
          .slice(0, options.limit)
          .map((fact) => preparePrompt(tokenizer, fact))
        const evaluations = await withProgress('evaluate', (onProgress) =>
          evaluate(model, prompts, { onProgress }),
        )
        const by = accuracies(evaluations)
        if (options.json) print(JSON.stringify(evaluateJson(model, options.data, evaluations, by, tokenizer)))
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
    prompts: evaluations.map(({ prompt, base, correct }) => ({
      id: prompt.fact.id,
      correct,
      prob: base.prob,
      rank: base.rank,
      top: { id: base.top, text: tokenizer.tokenText(base.top) },
    })),
  }
}
