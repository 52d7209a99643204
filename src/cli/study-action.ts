/** What `factflow study` does; apart from its definition, since what it needs takes long to load. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { z } from 'zod'
import { InputError, show } from '../errors.js'
import { EXIT_GO_ON, EXIT_SOME_FAILED } from '../exit-codes.js'
import { visibleText, wrap } from '../figures/text.js'
import { systemReason } from '../results/whole-file.js'
import { openRuntime } from '../runtime/open-runtime.js'
import { sleep } from '../sleep.js'
import { BYTES_PER_ROW, type Estimate, estimateStudy } from '../studies/estimate.js'
import { type Finished, finishStudy } from '../studies/finish.js'
import { RUNS, STUDY_PRESETS, type Stage } from '../studies/names.js'
import { presetStudy, studyPreset } from '../studies/presets.js'
import { checkSets } from '../studies/prompt-sets.js'
import { setAside } from '../studies/restart.js'
import { chooseModels, type StudyOutcome } from '../studies/run.js'
import { shardName } from '../studies/shard.js'
import { missingText, studyStanding } from '../studies/standing.js'
import { parseStudy, type Study, studySchema } from '../studies/study.js'
import { readFactsOf } from '../studies/study-data.js'
import {
  compute,
  environmentShard,
  MINUTE,
  type StopSignals,
  sayComputed,
  stoppable,
} from './compute-study.js'
import { size } from './models.js'
import { type ComputeOptions, onNote } from './options.js'
import { duration, withDownloads, withShare } from './progress.js'
import type { ShareOptions } from './store-options.js'
import { tableLines } from './table.js'
import { note, plural, print, width } from './terminal.js'

export interface StudyCommandOptions extends ComputeOptions, ShareOptions {
  readonly out?: string
  readonly models?: readonly string[]
  readonly stage?: Stage
  readonly dryRun?: true
  readonly restart?: true
  readonly json?: true
  readonly show?: true
  readonly schema?: true
}

export async function studyAction(name: string | undefined, options: StudyCommandOptions): Promise<void> {
  if (options.schema) print(JSON.stringify(z.toJSONSchema(studySchema, { io: 'input' }), null, 2))
  else if (name === undefined) {
    throw new InputError(
      `study: must be given, got nothing; name a file or a preset (${STUDY_PRESETS.join(', ')})`,
    )
  } else if (options.show) print(JSON.stringify(await studyJson(name), null, 2))
  else await runAndFinish(name, options)
}

/** The JSON of a study: of a preset, or of a file. @throws InputError when there is none, or it is not JSON */
export async function studyJson(name: string): Promise<unknown> {
  const preset = studyPreset(name)
  if (preset !== undefined) return preset
  let text: string
  try {
    text = await readFile(name, 'utf8')
  } catch (error) {
    throw new InputError(
      `study: must be a file or one of ${STUDY_PRESETS.join(', ')}, got ${show(name)} (${systemReason(error)}); check the path or name`,
    )
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InputError(`${name}: must be JSON, got ${systemReason(error)}; correct it`)
  }
}

async function runAndFinish(name: string, options: StudyCommandOptions): Promise<void> {
  const study = await readStudy(name)
  if (options.dryRun) {
    const shard = options.shard ?? environmentShard()
    if (shard)
      note(`an estimate of all of the study: shard ${shardName(shard)} is one part in ${shard.count} of it`)
    return dryRun(study, options)
  }
  const { out = join(RUNS, study.name), models, offline } = options
  if (options.stage === 'report' && options.shard) {
    throw new InputError(
      `--shard: must not be given with --stage report, which is one for all, got ${shardName(options.shard)}; leave it out`,
    )
  }
  const shard = options.stage === 'report' ? undefined : (options.shard ?? environmentShard())
  // Workers only add parts: what is drawn of them is for one to draw, when all are done.
  const stage = options.stage ?? (shard ? 'sweep' : undefined)
  if (options.restart) {
    if (shard) {
      throw new InputError(
        '--restart: must not be given to a share of the work, as the others are at it, got both; run it once without --shard',
      )
    }
    // Before anything is moved: what cannot be computed anyway is no reason to begin anew.
    chooseModels(study, models)
    await withDownloads((onProgress) => readFactsOf(study, { offline, onProgress, onNote }))
    const old = await setAside(out)
    if (old !== undefined) note(`set the results of before aside in ${old}`)
  }
  const begin = performance.now()
  await stoppable(out, async (signals) => {
    const outcome =
      stage === 'report' ? undefined : await compute(study, { ...options, out, shard, stage }, signals)
    const finished =
      stage === undefined || stage === 'report' ? await report(study, out, options, signals) : undefined
    const seconds = (performance.now() - begin) / 1000
    if (options.json) {
      const of = shard && { shard: shardName(shard) }
      print(JSON.stringify({ study: study.name, out, ...of, ...outcome, ...finished, seconds }))
    } else say(out, seconds, outcome, finished)
  })
}

/** A preset, or the study of a file. @throws InputError when it is neither, or the file cannot be used */
export async function readStudy(name: string): Promise<Study> {
  return studyPreset(name) === undefined ? parseStudy(await studyJson(name), name) : presetStudy(name)
}

/** Draw what there is; when all was computed before, or was to be waited for. */
async function report(
  study: Study,
  out: string,
  { stage, wait }: StudyCommandOptions,
  signals: StopSignals,
): Promise<Finished> {
  if (stage === 'report') {
    // While it waits it has nothing to finish.
    const either = AbortSignal.any([signals.signal, signals.finish])
    const missing = await whatIsMissing(study, out, wait * MINUTE, either)
    if (missing !== undefined) {
      note(`note: ${missing}; factflow status ${out} has it all`)
      process.exitCode = EXIT_GO_ON
    }
  }
  const finished = await withShare('figures', (onProgress) =>
    finishStudy(study, out, { onProgress, onNote, signal: signals.signal }),
  )
  for (const text of finished.wrong) note(`error: ${visibleText(text)}`)
  if (finished.wrong.length > 0) process.exitCode = EXIT_SOME_FAILED
  return finished
}

/** Wait for what is missing of a study. @returns what is missing in the end, in words; undefined when nothing is */
async function whatIsMissing(
  study: Study,
  out: string,
  wait: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const until = Date.now() + wait
  while (true) {
    const standing = await studyStanding(study, out)
    if (standing.complete) return undefined
    const left = until - Date.now()
    if (left <= 0) return missingText(standing)
    await sleep(Math.min(LOOK_EVERY, left), signal)
  }
}

/** Say what was done. */
function say(
  out: string,
  seconds: number,
  outcome: StudyOutcome | undefined,
  finished: Finished | undefined,
): void {
  for (const text of finished?.summary ?? []) {
    for (const line of wrap(text, Math.min(width(), 100))) print(line)
    print('')
  }
  if (outcome) sayComputed(outcome, seconds)
  if (finished) {
    print(
      `${plural(finished.figures.length, 'figure')} in ${join(out, 'figures')}, report in ${finished.report}`,
    )
  }
}

/** Milliseconds between two looks at what others have computed. */
const LOOK_EVERY = 10_000

async function dryRun(
  study: Study,
  { models, threads, device, dtype, tf32, offline, json }: StudyCommandOptions,
): Promise<void> {
  const facts = await withDownloads((onProgress) => readFactsOf(study, { offline, onProgress, onNote }))
  checkSets(study, { facts })
  const runtime = await openRuntime({ threads, device, dtype, tf32 }, onNote)
  const estimates = await estimateStudy(study, chooseModels(study, models), facts, runtime)
  for (const { model, layers, tooWide } of estimates) {
    if (tooWide.length > 0)
      onNote(`${model} has ${layers} layers: windows of ${tooWide.join(', ')} are left out`)
  }
  if (json) {
    print(JSON.stringify({ study: study.name, models: estimates }))
    return
  }
  const sum = (of: (estimate: Estimate) => number): number =>
    estimates.reduce((total, estimate) => total + of(estimate), 0)
  const row = (label: string, e: readonly number[], rest: readonly string[]): string[] => [
    label,
    ...e.map((value) => Math.round(value).toLocaleString('en')),
    ...rest,
  ]
  const rows = [
    ['MODEL', 'FACTS', 'PROMPTS', 'RUNS', 'ROWS', 'TIME', 'WEIGHTS', 'LEAST', ''],
    ...estimates.map((e) =>
      row(
        e.model,
        [e.facts, e.prompts, e.runs, e.knockouts],
        [duration(e.seconds), size(e.weights), size(e.least), e.here ? '' : 'not here yet'],
      ),
    ),
    row(
      'all',
      [sum((e) => e.facts), sum((e) => e.prompts), sum((e) => e.runs), sum((e) => e.knockouts)],
      [duration(sum((e) => e.seconds)), '', '', ''],
    ),
  ]
  for (const line of tableLines(rows, new Set([0, 8]))) print(visibleText(line))
  print('')
  const text = `PROMPTS, RUNS and ROWS (one a knockout; equal ones share a run) are what there is at most: if a model knows every fact. TIME is for ${runtime.description}, if all of it is to be computed. Results take about ${size(sum((e) => e.knockouts) * BYTES_PER_ROW)} on disk. WEIGHTS: all of them loaded; LEAST: what --memory must be at least.`
  for (const line of wrap(text, Math.min(width(), 100))) print(line)
}
