/** docs/performance.md is what its stored records say; a goal is met or missed as they are. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Benchmark, Measured, RowOf } from '../../bench/record.js'
import { recordOf } from '../../bench/record.js'
import { growthRows, growthTokens, roofline, rooflinePoints } from '../../docs/performance/figures.js'
import { verdicts } from '../../docs/performance/goals.js'
import { page } from '../../docs/performance/page.js'
import { COMMANDS, type Records, storedRecords } from '../../docs/performance/records.js'
import { toSvg } from '../../src/figures/render.js'

test('the page is made of the records, and it has a figure exactly where there is one', () => {
  const text = readFileSync('docs/performance.md', 'utf8')
  expect(text).toBe(page(storedRecords()))
  for (const name of ['roofline', 'growth-rows', 'growth-tokens']) {
    expect(existsSync(`docs/performance/${name}.svg`), name).toBe(text.includes(`(performance/${name}.svg)`))
  }
})

const NONE: Records = { sweep: [], growth: [], peer: [], gpu: [], stream: [] }

function records<B extends Benchmark>(
  benchmark: B,
  rows: RowOf<B>[],
  more: Partial<Measured<B>> = {},
): Records {
  return { ...NONE, [benchmark]: [recordOf(benchmark, { parameters: {}, roofs: [], ...more, rows })] }
}

const SWEEP = {
  ...{ model: 'mamba-130m', prompts: 10, knockouts: 128, layerRows: 1, seconds: 1, neededFlops: 3e11 },
  ...{ neededBytes: 1e9, productSeconds: 0.8, wholeRunSeconds: 0.02, peakBytes: 1e9 },
}
const PEER = {
  ...{ model: 'mamba-130m', program: 'authors' as const, device: 'cpu', prompts: 1, secondsPerPrompt: 18 },
  ...{ secondsPerKnockout: 0.14, peakBytes: 1e9, deviceBytes: null, relativeDifference: null },
}
const OURS = { ...PEER, program: 'factflow' as const, prompts: 8, relativeDifference: 1e-6 }
const GPU = {
  ...{ model: 'mamba-2.8b', prompts: 10, seconds: 0.8, neededFlops: 1e13, neededBytes: 1e10 },
  ...{ device: 'webgpu', arithmetic: 'float32', largestDifference: 9e-5 },
}
const STREAM = {
  ...{ model: 'falcon-mamba-7b', prompts: 16, seconds: 100, neededFlops: 1e13, neededBytes: 1e10 },
  ...{ memoryBytes: 6e9, peakBytes: 7.9e9, diskBytes: 3e10, diskSeconds: 85, productSeconds: 30 },
}

/** The verdicts of the goals whose text has `part`. */
function met(found: Records, part: string): (boolean | undefined)[] {
  return verdicts(found)
    .filter(({ goal }) => goal.includes(part))
    .map((verdict) => verdict.met)
}

test('a goal is met, missed, or not measured', () => {
  expect(verdicts(NONE).map((verdict) => verdict.met)).toEqual(new Array(10).fill(undefined))

  expect(met(records('sweep', [SWEEP]), 'per prompt')).toEqual([true, undefined])
  // The best batch counts.
  expect(met(records('sweep', [{ ...SWEEP, seconds: 2 }]), 'per prompt')[0]).toBe(false)
  expect(met(records('sweep', [{ ...SWEEP, seconds: 2 }, SWEEP]), 'per prompt')[0]).toBe(true)
  expect(met(records('sweep', [SWEEP]), 'mamba-130m on the CPU: at least 80 %')).toEqual([true])
  const slow = records('sweep', [{ ...SWEEP, productSeconds: 0.79 }])
  expect(met(slow, 'mamba-130m on the CPU: at least 80 %')).toEqual([false])
  expect(met(slow, 'gpt2 on the CPU')).toEqual([undefined])

  expect(met(records('peer', [PEER, { ...OURS, secondsPerPrompt: 0.12 }]), 'same run')).toEqual([true])
  expect(met(records('peer', [PEER, { ...OURS, secondsPerPrompt: 0.13 }]), 'same run')).toEqual([false])
  expect(met(records('peer', [PEER]), 'same run')).toEqual([undefined])
  // Of another record, so of another run.
  const [theirs, ours] = [records('peer', [PEER]), records('peer', [{ ...OURS, secondsPerPrompt: 0.1 }])]
  expect(met({ ...NONE, peer: [...theirs.peer, ...ours.peer] }, 'same run')).toEqual([undefined])

  expect(met(records('gpu', [GPU]), 'H200: at most')).toEqual([true])
  expect(met(records('gpu', [{ ...GPU, seconds: 0.9 }]), 'H200: at most')).toEqual([false])
  const onGpu = records('peer', [{ ...PEER, model: 'mamba-2.8b', device: 'a card', secondsPerPrompt: 42 }])
  const gpuRatio = (seconds: number) =>
    met({ ...onGpu, gpu: records('gpu', [{ ...GPU, seconds }]).gpu }, 'H200: at least')
  expect(gpuRatio(0.83)).toEqual([true])
  expect(gpuRatio(0.85)).toEqual([false])
  expect(met(onGpu, 'H200: at least')).toEqual([undefined])
  expect(met(records('gpu', [GPU]), 'in float32')).toEqual([true])
  expect(met(records('gpu', [GPU, { ...GPU, largestDifference: 2e-4 }]), 'in float32')).toEqual([false])
  expect(met(records('gpu', [{ ...GPU, arithmetic: 'tf32' }]), 'in float32')).toEqual([undefined])

  expect(met(records('stream', [STREAM]), 'from disk')).toEqual([true, true])
  expect(met(records('stream', [{ ...STREAM, peakBytes: 8.1e9 }]), 'from disk')).toEqual([false, true])
  expect(met(records('stream', [{ ...STREAM, diskSeconds: 70 }]), 'from disk')).toEqual([true, false])
  expect(met(records('stream', [{ ...STREAM, prompts: 4 }]), 'from disk')).toEqual([undefined, undefined])
})

test('a page without records says what makes them', () => {
  const text = page(NONE)
  for (const command of Object.values(COMMANDS).flat()) {
    // Of what is measured elsewhere the roofline is made, too.
    expect(text).toContain(`    ${command}\n`)
  }
  expect(text).not.toContain('.svg')
})

test('figures are of all kinds of records, and of none there is none', async () => {
  expect([roofline(NONE), growthRows(NONE), growthTokens(NONE)]).toEqual([undefined, undefined, undefined])
  const roofs = [{ name: 'CPU', flopsPerSecond: 4e11, bytesPerSecond: 2e10 }]
  const all: Records = {
    ...NONE,
    sweep: records('sweep', [SWEEP], { roofs }).sweep,
    gpu: records('gpu', [GPU]).gpu,
    stream: records('stream', [STREAM]).stream,
  }
  expect(rooflinePoints(all)).toEqual([
    { kind: 'CPU, mamba-130m', intensity: 300, rate: 3e11 },
    { kind: 'webgpu float32, mamba-2.8b', intensity: 1000, rate: 1.25e13 },
    // Bytes are the disk's.
    { kind: 'from disk, falcon-mamba-7b', intensity: 1e13 / 3e10, rate: 1e11 },
  ])
  const svg = await toSvg(roofline(all)!)
  for (const text of ['CPU, mamba-130m', 'webgpu float32, mamba-2.8b', 'from disk, falcon-mamba-7b']) {
    expect(svg).toContain(text)
  }
})
