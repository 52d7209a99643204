/** What `factflow study` does; apart from its definition, since what it needs takes long to load. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { z } from 'zod'
import { InputError, show } from '../errors.js'
import { visibleText, wrap } from '../figures/text.js'
import { systemReason } from '../results/whole-file.js'
import { openRuntime } from '../runtime/open-runtime.js'
import { BYTES_PER_ROW, type Estimate, estimateStudy } from '../studies/estimate.js'
import { finishStudy } from '../studies/finish.js'
import { RUNS, STUDY_PRESETS } from '../studies/names.js'
import { presetStudy, studyPreset } from '../studies/presets.js'
import { checkSets } from '../studies/prompt-sets.js'
import { setAside } from '../studies/restart.js'
import { chooseModels, runStudy } from '../studies/run.js'
import { parseStudy, type Study, studySchema } from '../studies/study.js'
import { readFactsOf } from '../studies/study-data.js'
import { size } from './models.js'
import { type ComputeOptions, onNote } from './options.js'
import { duration, withDownloads, withShare } from './progress.js'
import { tableLines } from './table.js'
import { note, plural, print, width } from './terminal.js'

export interface StudyCommandOptions extends ComputeOptions {
  readonly out?: string
  readonly models?: readonly string[]
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
async function studyJson(name: string): Promise<unknown> {
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
  const study = studyPreset(name) === undefined ? parseStudy(await studyJson(name), name) : presetStudy(name)
  if (options.dryRun) return dryRun(study, options)
  const { out = join(RUNS, study.name), models, memory, threads, device, dtype, tf32, offline } = options
  if (options.restart) {
    // Before anything is moved: what cannot be computed anyway is no reason to begin anew.
    chooseModels(study, models)
    await withDownloads((onProgress) => readFactsOf(study, { offline, onProgress, onNote }))
    const old = await setAside(out)
    if (old !== undefined) note(`set the results of before aside in ${old}`)
  }
  const begin = performance.now()
  const stop = new AbortController()
  const onInterrupt = (): void => stop.abort(new Error('interrupted'))
  process.once('SIGINT', onInterrupt)
  process.once('SIGTERM', onInterrupt)
  try {
    const common = { out, models, onNote, signal: stop.signal, progress: withShare }
    const outcome = await withDownloads((onProgress) =>
      runStudy(study, { ...common, memory, threads, device, dtype, tf32, offline, onProgress }),
    )
    const finished = await withShare('figures', (onProgress) =>
      finishStudy(study, out, { onProgress, onNote, signal: stop.signal }),
    )
    const seconds = (performance.now() - begin) / 1000
    for (const text of finished.wrong) note(`error: ${visibleText(text)}`)
    if (outcome.failed.length > 0 || finished.wrong.length > 0) process.exitCode = EXIT_SOME_FAILED
    if (options.json) print(JSON.stringify({ study: study.name, out, ...outcome, ...finished, seconds }))
    else {
      for (const text of finished.summary) {
        for (const line of wrap(text, Math.min(width(), 100))) print(line)
        print('')
      }
      print(
        `${plural(outcome.evaluated, 'prompt')} evaluated and ${plural(outcome.knockouts, 'knockout')} computed${outcome.evaluated + outcome.knockouts === 0 ? ': nothing was missing' : ''}; ${duration(seconds)} in all.`,
      )
      print(
        `${plural(finished.figures.length, 'figure')} in ${join(out, 'figures')}, report in ${finished.report}`,
      )
    }
  } catch (error) {
    if (!stop.signal.aborted || (error !== stop.signal.reason && !isAbort(error))) throw error
    note(`interrupted: what is done is kept in ${out}, the same command goes on from there`)
    process.exitCode = EXIT_INTERRUPTED
  } finally {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onInterrupt)
  }
}

/** What a stopped download throws. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** Some inputs failed. */
const EXIT_SOME_FAILED = 1
/** As shells count it: 128 + SIGINT. */
const EXIT_INTERRUPTED = 130

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
