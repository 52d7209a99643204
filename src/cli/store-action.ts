/** What experiments do with --out: each is a study of its own, whose results are stored; apart, as it loads DuckDB. */
import process from 'node:process'
import { readRunFile } from '../results/run-file.js'
import { shardName } from '../studies/shard.js'
import { parseStudy, type Study } from '../studies/study.js'
import { compute, environmentShard, sayComputed, stoppable } from './compute-study.js'
import { datasetName, type FactOptions } from './facts.js'
import type { ModelOptions } from './options.js'
import type { StoreOptions } from './store-options.js'
import { print } from './terminal.js'

/** The fields of a study that make the experiment. */
type Experiment = Partial<Record<'evaluate' | 'promptSets' | 'infoFlow' | 'heatmaps', unknown>>

export interface StoredExperiment extends ModelOptions, StoreOptions {
  readonly out: string
  readonly json?: boolean
}

/** The facts of an experiment as a study's data. */
export type DataOptions = Pick<FactOptions, 'data' | 'columns' | 'relation' | 'split'> & {
  readonly ids?: readonly string[]
  readonly limit?: number
  readonly seed?: number
}

/**
 * Compute an experiment, or a share of it, into a run folder.
 * @param name of the experiment
 * @param data which facts there are
 * @param experiment what is asked of them: fields of a study
 */
export async function storeExperiment(
  name: string,
  data: DataOptions,
  experiment: Experiment,
  options: StoredExperiment,
): Promise<void> {
  const { model, revision, tokenizer, out, json } = options
  const shard = options.shard ?? environmentShard()
  const stored = (await readRunFile(out))?.study as Partial<Study> | undefined
  const study = parseStudy(
    {
      name,
      models: [{ model, revision, tokenizer }],
      data: dataOf(data),
      // Experiments without wishes of their own go with what is stored.
      evaluate: stored?.evaluate ?? (name === 'evaluate' ? {} : { continuation: 0 }),
      ...experiment,
    },
    name,
  )
  const begin = performance.now()
  await stoppable(out, async (signals) => {
    const outcome = await compute(study, { ...options, shard, models: undefined }, signals)
    const seconds = (performance.now() - begin) / 1000
    if (json) {
      const of = shard && { shard: shardName(shard) }
      print(JSON.stringify({ experiment: name, out, ...of, ...outcome, seconds }))
      return
    }
    for (const { model: label, message } of outcome.failed)
      process.stderr.write(`error: ${label}: ${message}\n`)
    sayComputed(outcome, seconds)
    print(`Stored in ${out}: factflow results ${out}, factflow figure ${out}, factflow status ${out}`)
  })
}

function dataOf({ data, columns, relation, split, ids, limit, seed }: DataOptions): object {
  const { source, revision } = datasetName(data)
  const drawn = limit !== undefined && { sample: limit, seed }
  return { source, revision, columns, relation, split, ids, ...drawn }
}
