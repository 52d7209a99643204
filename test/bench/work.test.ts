import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KINDS, LENGTH, sampleOf, unitsOfWork } from '../../bench/work.js'
import { defaultWindow } from '../../src/knockout/knockout.js'
import { FEATURE_CATEGORIES } from '../../src/models/architecture.js'
import { pythonWith } from '../helpers/python.js'

const PYTHON = pythonWith('numpy')

/** Layers, vocabulary, knockouts of the sample. */
const CASES = [
  [24, 50_280, 16],
  [64, 50_280, 7],
  [4, 1000, 1000],
  [5, 300, 1],
] as const

const SCRIPT = `
import json, sys
sys.dont_write_bytecode = True
from work import unit_of_work
print(json.dumps([unit_of_work(*case).to_json() for case in json.loads(sys.argv[1])]))
`

const unit = (nLayers: number, vocabSize: number) =>
  unitsOfWork({ nLayers, vocabSize, featureCategories: FEATURE_CATEGORIES }, 1)[0]!

describe('the unit of work', () => {
  test('is the same in Python', ({ skip }) => {
    if (!PYTHON) skip('needs a Python with NumPy (FACTFLOW_PYTHON names one)')
    const output = execFileSync(PYTHON!, ['-c', SCRIPT, JSON.stringify(CASES)], {
      cwd: resolve(import.meta.dirname, '../../bench/peer'),
      encoding: 'utf8',
    })
    const ours = CASES.map(([nLayers, vocabSize, count]) => {
      const { ids, answer, knockouts } = unit(nLayers, vocabSize)
      const sample = sampleOf(nLayers, count).map((i) => knockouts[i])
      return { ids, answer, perPrompt: knockouts.length, knockouts: sample }
    })
    expect(JSON.parse(output)).toEqual(ours)
  })

  test('of mamba-130m has 128 knockouts, of mamba-2.8b 448', () => {
    expect(unit(24, 50_280).knockouts).toHaveLength(128)
    expect(unit(64, 50_280).knockouts).toHaveLength(448)
  })

  test('differs between prompts in its tokens', () => {
    const sizes = { nLayers: 4, vocabSize: 50_000, featureCategories: FEATURE_CATEGORIES }
    const [one, two] = unitsOfWork(sizes, 2)
    expect(one!.ids).toHaveLength(LENGTH)
    expect(two!.ids).not.toEqual(one!.ids)
    expect(two!.knockouts).toEqual(one!.knockouts)
  })

  test('without feature categories has as many different knockouts', () => {
    const [one] = unitsOfWork({ nLayers: 24, vocabSize: 100, featureCategories: ['all'] }, 1)
    expect(new Set(one!.knockouts.map((k) => JSON.stringify(k))).size).toBe(128)
  })
})

test('a sample has no knockout twice, and takes the windows as evenly as it can', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 600 }), (nLayers, count) => {
      const windows = nLayers - defaultWindow(nLayers) + 1
      const sample = sampleOf(nLayers, count)
      expect(sample).toHaveLength(Math.min(count, windows * KINDS))
      expect(new Set(sample).size).toBe(sample.length)
      const perWindow = Array.from(
        { length: windows },
        (_, w) => sample.filter((i) => i % windows === w).length,
      )
      expect(Math.max(...perWindow) - Math.min(...perWindow)).toBeLessThanOrEqual(1)
      expect(sample.every((i) => i < windows * KINDS)).toBe(true)
    }),
  )
})
