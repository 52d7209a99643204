import { describe, expect, test } from 'vitest'
import { agreement, report } from '../../../bench/peer/report.js'
import type { FactflowResult, PeerResult } from '../../../bench/peer/results.js'

const work = {
  ids: [1, 2, 3],
  answer: 4,
  perPrompt: 100,
  knockouts: [{ layers: [0, 1], sources: [1], targets: [2], features: 'all' as const }],
}
const machine = { processor: 'A processor', threads: 2, device: 'cpu' }

const peer: PeerResult = {
  ...{ size: 'mamba-130m', seed: 3, work, machine, kernels: [] },
  ...{ base: 2e-5, probs: [1e-5], programBytes: 8e8, peakBytes: 2.5e9, peakDeviceBytes: null },
  ...{ roundSeconds: [0.2, 0.1], secondsPerKnockout: 0.1, secondsPerPrompt: 10 },
  versions: { python: '3.12.3', torch: '2.11.0' },
}
const ours: FactflowResult = {
  ...{ work, machine, base: 2e-5, probs: [1.00001e-5], programBytes: 1e8, peakBytes: 1.5e9 },
  sweeps: [
    { prompts: 1, roundSeconds: [0.3, 0.2], secondsPerPrompt: 0.2 },
    { prompts: 8, roundSeconds: [0.8, 0.9], secondsPerPrompt: 0.1 },
  ],
  versions: { factflow: '1.0.0' },
  runtime: 'ONNX Runtime 1, CPU, 2 threads',
}

describe('agreement', () => {
  test('the largest differences, and the largest effect', () => {
    const found = agreement({ base: 0.5, probs: [0.25, 0.001] }, { base: 0.5, probs: [0.25001, 0.0010001] })
    expect(found.absolute).toBeCloseTo(1e-5, 12)
    expect(found.relative).toBeCloseTo(1e-4, 9)
    expect(found.effect).toBeCloseTo(0.998, 12)
  })

  test.each([
    [[0.50004], true],
    [[0.50006], false],
    [[0.49994], false],
    [[Number.NaN], false],
  ])('0.5 and %j: %s', (probs, agrees) => {
    expect(agreement({ base: 0.5, probs: [0.5] }, { base: 0.5, probs }).agrees).toBe(agrees)
  })

  test('the baseline must agree, too', () => {
    expect(agreement({ base: 0.5, probs: [0.5] }, { base: 0.6, probs: [0.5] }).agrees).toBe(false)
  })

  test('a small probability must agree in its value: 1e-4 is not what counts', () => {
    expect(agreement({ base: 2e-5, probs: [1e-5] }, { base: 2e-5, probs: [1.01e-5] }).agrees).toBe(false)
  })
})

describe('report', () => {
  test('says what was measured, how, and what came out', () => {
    expect(report(peer, ours)).toEqual([
      'mamba-130m, random weights of seed 3; prompts of 3 tokens, window 2, 100 knockouts per prompt',
      "authors' code: A processor, 2 threads; python 3.12.3, torch 2.11.0",
      '  timed on 1 knockouts, fastest of 2 rounds; per prompt: times 100',
      '  packages with faster kernels: none',
      'factflow: A processor, 2 threads; factflow 1.0.0',
      '  ONNX Runtime 1, CPU, 2 threads; fastest of 2 rounds',
      '',
      '                             per prompt  per knockout  faster',
      "authors' code                    10.0 s        100 ms     1 x",
      'factflow, 1 prompt               200 ms       2.00 ms  50.0 x',
      'factflow, 8 prompts at once      100 ms       1.00 ms   100 x',
      '',
      '               peak memory  before the model',
      "authors' code     2,500 MB            800 MB",
      'factflow          1,500 MB            100 MB',
      '',
      'largest difference of a probability: 1.0e-10, 1.0e-5 of its value (a knockout changes it by up to 0.50 of its value)',
      'the two agree',
    ])
  })

  test('says when they do not agree', () => {
    const lines = report(peer, { ...ours, probs: [1.1e-5] })
    expect(lines.at(-1)).toBe('THE TWO DO NOT AGREE within 0.0001 of the value')
  })

  test('names the GPU and its memory, and another machine', () => {
    const gpu: PeerResult = {
      ...peer,
      machine: { processor: 'Another', threads: 16, device: 'NVIDIA H200' },
      peakDeviceBytes: 1.23e10,
      kernels: ['mamba_ssm'],
    }
    const lines = report(gpu, ours)
    expect(lines[1]).toBe("authors' code: Another, NVIDIA H200; python 3.12.3, torch 2.11.0")
    expect(lines).toContain('  packages with faster kernels: mamba_ssm')
    expect(lines).toContain("of the GPU, authors' code: 12,300 MB")
    expect(lines).toContain('measured on different machines: the ratios compare those, too')
  })
})
