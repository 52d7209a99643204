/**
 * factflow's side of the comparison, in a process of its own, so that its memory is its own. Prints JSON.
 *
 *   node --import tsx bench/peer/factflow.ts FOLDER '{"device":"cpu","threads":2,"prompts":8,"rounds":3,"knockouts":16}'
 */
import os from 'node:os'
import process from 'node:process'
import { loadModel } from '../../src/load.js'
import type { KnockoutPrompt } from '../../src/model.js'
import { VERSION } from '../../src/version.js'
import { sampleOf, unitsOfWork } from '../work.js'
import type { CompareOptions } from './options.js'
import type { FactflowResult, SweepTime } from './results.js'

export type FactflowOptions = Pick<
  CompareOptions,
  'device' | 'threads' | 'memory' | 'prompts' | 'rounds' | 'knockouts'
>

const peakBytes = (): number => 1024 * process.resourceUsage().maxRSS

async function measure(dir: string, options: FactflowOptions): Promise<FactflowResult> {
  const { device, threads, memory, prompts, rounds, knockouts } = options
  const programBytes = peakBytes()
  const model = await loadModel(dir, { threads, memory })
  const { nLayers } = model.spec
  const units = unitsOfWork(model.spec, prompts)
  const [first] = units as [KnockoutPrompt]
  const timed = async (work: readonly KnockoutPrompt[]): Promise<SweepTime> => {
    const roundSeconds: number[] = []
    for (let round = 0; round < rounds; round++) {
      const begin = performance.now()
      await model.knockout(work)
      roundSeconds.push((performance.now() - begin) / 1000)
    }
    return { prompts: work.length, roundSeconds, secondsPerPrompt: Math.min(...roundSeconds) / work.length }
  }
  // Loads all layers and warms up.
  const [answers] = await model.knockout([first])
  const sample = sampleOf(nLayers, knockouts)
  const sweeps = [await timed([first])]
  if (prompts > 1) sweeps.push(await timed(units))
  const { description } = model.runtime
  await model.close()
  return {
    work: {
      ids: first.ids,
      answer: first.answer!,
      perPrompt: first.knockouts.length,
      knockouts: sample.map((i) => first.knockouts[i]!),
    },
    base: answers!.base.prob,
    probs: sample.map((i) => answers!.knockouts[i]!.prob),
    sweeps,
    programBytes,
    peakBytes: peakBytes(),
    machine: { processor: os.cpus()[0]!.model, threads, device },
    versions: { factflow: VERSION, node: process.versions.node },
    runtime: description,
  }
}

const [dir, options] = process.argv.slice(2)
process.stdout.write(JSON.stringify(await measure(dir!, JSON.parse(options!) as FactflowOptions)))
