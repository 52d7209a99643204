import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { InputError } from '../../src/errors.js'
import { figurePreset } from '../../src/studies/figure-presets.js'
import { FIGURE_PRESETS, STUDY_PRESETS } from '../../src/studies/names.js'
import { presetStudy } from '../../src/studies/presets.js'
import { modelLabel, parseStudy, studySchema } from '../../src/studies/study.js'

const least = { name: 'a', models: ['tiny-mamba1'], data: 'atlas' }
const message = (json: unknown): string => {
  try {
    parseStudy(json, 's.json')
  } catch (error) {
    expect(error).toBeInstanceOf(InputError)
    return (error as Error).message
  }
  throw new Error('no error')
}

describe('a study file', () => {
  it('needs a name, models and data; the rest has defaults', () => {
    expect(parseStudy(least, 's.json')).toEqual({
      name: 'a',
      models: [{ model: 'tiny-mamba1' }],
      data: [{ source: 'atlas' }],
      promptSets: { correct: { known: 'correct' } },
      evaluate: { top: 5, continuation: 5 },
      figures: [],
      size: 'page',
    })
  })

  it('takes one or a list', () => {
    const one = parseStudy({ ...least, infoFlow: { promptSets: 'correct', windows: 3 } }, 's.json')
    const list = parseStudy(
      { ...least, data: ['atlas'], infoFlow: [{ promptSets: ['correct'], windows: [3] }] },
      's.json',
    )
    expect(one).toEqual(list)
    expect(one.infoFlow).toEqual([{ promptSets: ['correct'], windows: [3] }])
  })

  it.each([
    [
      { ...least, infoFlow: { promptSets: 'corect' } },
      /infoFlow\[0\]\.promptSets must be one of correct, got "corect"/,
    ],
    [
      { ...least, heatmaps: { promptSet: 'no' } },
      /heatmaps\[0\]\.promptSet must be one of correct, got "no"/,
    ],
    [
      { ...least, infoFlow: { promptSets: 'correct', models: ['b'] } },
      /infoFlow\[0\]\.models must be one of tiny-mamba1/,
    ],
    [{ ...least, data: { source: 'atlas', smple: 3 } }, /s\.json: data: must not have the field smple/],
    [
      { ...least, models: ['tiny-mamba1', 'x/tiny-mamba1'] },
      /differ in their labels, got "tiny-mamba1" twice/,
    ],
    [{ ...least, models: [] }, /models: must not be empty/],
    [{ ...least, name: 'a b' }, /name: must have letters, digits, - and _ only, got "a b"/],
    [{ ...least, name: '../a' }, /name: must have letters/],
    [
      { ...least, infoFlow: { promptSets: 'correct', flows: ['subj'] } },
      /flows\[0\]: must be source\[>target\]\[:features\].*got "subj"/,
    ],
    [
      { ...least, infoFlow: { promptSets: 'correct', windows: [0] } },
      /infoFlow\.windows\[0\]: must be at least 1, got 0/,
    ],
    [{ ...least, figures: ['figure-2'] }, /figures\[0\]: must be one of figure-1, .*, got "figure-2"/],
    [
      { ...least, figures: [{ kind: 'curves', name: 'x', lines: 'foo' }] },
      /figures\[0\]\.lines: must be one of run, model.*got "foo"/,
    ],
    [{ ...least, figures: ['figure-1', 'figure-1'] }, /figures must differ in their names/],
    [{ models: ['m'], data: 'atlas' }, /name: must be given/],
    [
      { ...least, promptSets: { x: { known: 'sometimes' } } },
      /promptSets\.x\.known: must be one of any, correct/,
    ],
    [[1], /a study: must be of type object/],
  ])('refuses %j', (json, expected) => {
    expect(message(json)).toMatch(expected)
    expect(message(json)).toMatch(/^s\.json: .*, got .*; /)
    expect(message(json)).not.toContain('\n')
  })

  it('calls a model by its label, or by its name without owner and folders', () => {
    expect(modelLabel({ model: 'state-spaces/mamba-130m-hf' })).toBe('mamba-130m-hf')
    expect(modelLabel({ model: '/data/models/own/' })).toBe('own')
    expect(modelLabel({ model: 'x/y', label: 'Y (base)' })).toBe('Y (base)')
  })

  it('has the schema that is published', () => {
    const file = join(import.meta.dirname, '..', '..', 'docs', 'study.schema.json')
    const published: unknown = JSON.parse(readFileSync(file, 'utf8'))
    expect(published).toEqual(JSON.parse(JSON.stringify(z.toJSONSchema(studySchema, { io: 'input' }))))
  })
})

describe('presets', () => {
  it.each(STUDY_PRESETS)('%s is a study', (name) => {
    const study = presetStudy(name)
    expect(study.name).toBe(name)
    expect(study.models.length).toBeGreaterThan(1)
    // The features of the default file stay what they are when it is written out and read back.
    expect(parseStudy(JSON.parse(JSON.stringify(study)), name)).toEqual(study)
  })

  it('are named where the name is wrong', () => {
    expect(() => presetStudy('papers')).toThrow(
      /must be a file or one of demo, paper-small, paper, got "papers"/,
    )
  })

  it.each(FIGURE_PRESETS)('figure %s is a definition, with and without prompt sets', (name) => {
    for (const promptSets of [[], ['correct'], ['correct', 'all-correct']]) {
      expect(figurePreset(name, { promptSets, featured: ['a'] }).name).toBe(name)
    }
  })

  it('compares models on the set that all of them know', () => {
    const figure = figurePreset('figure-1', { promptSets: ['correct', 'all-correct'], featured: [] })
    expect(figure.kind === 'curves' && figure.where.promptSet).toEqual(['all-correct'])
  })
})
