/**
 * Plans the whole paper on paper: all of its models x CounterFact x all of its figures, on a laptop, on one GPU, on a
 * hundred nodes. Writes docs/scale.md; every number is computed from the models' published sizes, the facts, and the
 * speeds in docs/performance/records.
 *
 *   npm run scale -- counterfact.jsonl
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { readDataset } from '../../src/datasets/read.js'
import { KNOWN_MODELS } from '../../src/models/known.js'
import { nodeRuntime } from '../../src/runtime/node.js'
import { BYTES_PER_ROW, estimateStudy, FLOPS_PER_BYTE } from '../../src/studies/estimate.js'
import { publishedSizes } from '../../src/studies/model-here.js'
import { studyPreset } from '../../src/studies/presets.js'
import { Share, type Unit } from '../../src/studies/shares.js'
import { parseStudy, type Study } from '../../src/studies/study.js'
import { storedRecords } from '../performance/records.js'
import { type Plan, page } from './page.js'

/** Shares of the facts that the plan supposes to be known: to each model, and to all of them. */
const KNOWN = { correct: 0.5, allCorrect: 0.05 }
const NODES = 100

const [path] = process.argv.slice(2)
if (path === undefined) throw new Error('name the file of facts: npm run scale -- counterfact.jsonl')
const { facts } = await readDataset(path)
const data = new Map([['counterfact', facts]])

const preset = studyPreset('paper') as Record<string, unknown>
const study = parseStudy(
  { ...preset, models: KNOWN_MODELS.map(({ id, family }) => ({ model: id, family })) },
  'paper',
)
const { infoFlow = [], heatmaps, ...bare } = study
const [correct, shared] = infoFlow

/** What each model takes of one of the study's experiments. */
async function taken(part: Partial<Study>): Promise<{ flops: number; seconds: number; rows: number }[]> {
  const some = { ...bare, ...part } as Study
  const runtime = nodeRuntime()
  const all = await estimateStudy(some, some.models, data, runtime)
  await runtime.close?.()
  return all.map(({ flops, layerRows, knockouts }, m) => {
    const { rowBytes } = publishedSizes(some.models[m]!)!.costs
    return { flops, seconds: flops + FLOPS_PER_BYTE * layerRows * rowBytes, rows: knockouts }
  })
}

const [evaluation, correctToo, sharedToo, mapsToo] = [
  await taken({}),
  await taken({ infoFlow: [correct!] }),
  await taken({ infoFlow: [shared!] }),
  await taken({ heatmaps }),
]

const records = storedRecords()
const cpu = records.sweep.find(({ rows }) => rows.some(({ model }) => model === 'mamba-130m'))!
const cpuRate = Math.max(...cpu.roofs.map(({ flopsPerSecond }) => flopsPerSecond))
const gpu = records.gpu[0]!
/** Needed operations per second that a sweep reaches on the GPU, by the width of the model, between what was measured. */
const measured = gpu.rows
  .filter(({ device, arithmetic }) => device === 'cuda' && arithmetic === 'float32')
  .map(({ model, neededFlops, seconds }) => ({ width: widthOf(model), rate: neededFlops / seconds }))
  .sort((a, b) => a.width - b.width)

function widthOf(model: string): number {
  const known = KNOWN_MODELS.find(({ id }) => id.endsWith(`${model}-hf`))!
  return publishedSizes({ model: known.id })!.dModel
}

function gpuRate(width: number): number {
  const [small, large] = [measured[0]!, measured.at(-1)!]
  const at = (Math.log(width) - Math.log(small.width)) / (Math.log(large.width) - Math.log(small.width))
  return small.rate * (large.rate / small.rate) ** Math.min(1, Math.max(0, at))
}

const models = KNOWN_MODELS.map(({ id, dtype }, m) => {
  const sizes = publishedSizes({ model: id })!
  const part = (
    of: 'flops' | 'seconds' | 'rows',
    known: typeof KNOWN,
  ): { evaluate: number; sweep: number } => {
    const base = evaluation[m]![of]
    const more = (some: typeof evaluation): number => some[m]![of] - base
    return {
      evaluate: base,
      sweep: known.correct * more(correctToo) + known.allCorrect * more(sharedToo) + more(mapsToo),
    }
  }
  const rate = gpuRate(sizes.dModel)
  const of = (known: typeof KNOWN) => {
    const [flops, cpuFlops, rows] = [part('flops', known), part('seconds', known), part('rows', known)]
    return {
      flops: flops.evaluate + flops.sweep,
      rows: rows.sweep,
      laptopSeconds: { evaluate: cpuFlops.evaluate / cpuRate, sweep: cpuFlops.sweep / cpuRate },
      gpuSeconds: { evaluate: flops.evaluate / rate, sweep: flops.sweep / rate },
    }
  }
  return {
    id,
    parameters: sizes.parameters,
    bytes: 4 * sizes.parameters,
    disk: (dtype === 'F32' ? 4 : 2) * sizes.parameters,
    likely: of(KNOWN),
    most: of({ correct: 1, allCorrect: 1 }),
  }
})

/** Nodes of one GPU each: the longest share of each stage, and what is loaded. */
function onNodes(stage: 'evaluate' | 'sweep'): Plan['nodes'][typeof stage] {
  const costs = new Map(models.map(({ id, likely }) => [id, likely.gpuSeconds[stage]]))
  // Units of a model of 512 prompts at most: of those that are evaluated, or are known.
  const prompts = facts.length * (stage === 'evaluate' ? 1 : KNOWN.correct)
  const units = new Map(
    models.map(({ id }): [string, Unit<string>[]] => {
      const count = Math.ceil(prompts / 512)
      return [id, Array.from({ length: count }, () => ({ items: [id], cost: costs.get(id)! / count }))]
    }),
  )
  const shares = Array.from({ length: NODES }, (_, i) => {
    const share = new Share({ index: i + 1, count: NODES }, costs)
    const own = models.map(({ id, disk }) => ({ disk, units: share.of(id, units.get(id)!) }))
    const mine = own.filter((one) => one.units.length > 0)
    return {
      seconds: own.flatMap((one) => one.units).reduce((sum, { cost }) => sum + cost, 0),
      bytes: mine.reduce((sum, { disk }) => sum + disk, 0),
      models: mine.length,
    }
  })
  const mean = shares.reduce((sum, { seconds }) => sum + seconds, 0) / NODES
  return {
    longest: Math.max(...shares.map(({ seconds }) => seconds)),
    mean,
    bytes: shares.reduce((sum, { bytes }) => sum + bytes, 0),
    models: Math.max(...shares.map((one) => one.models)),
  }
}

const plan: Plan = {
  facts: facts.length,
  known: KNOWN,
  nodeCount: NODES,
  bytesPerRow: BYTES_PER_ROW,
  cpu: { machine: `${cpu.machine.cpu}, ${cpu.machine.cores} cores`, rate: cpuRate },
  gpu: { machine: gpu.machine.gpu ?? 'GPU', measured },
  models,
  nodes: { evaluate: onNodes('evaluate'), sweep: onNodes('sweep') },
}
writeFileSync(join(import.meta.dirname, '..', 'scale.md'), page(plan))
process.stderr.write('wrote docs/scale.md\n')
