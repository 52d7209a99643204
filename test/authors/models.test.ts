import { describe, expect, test } from 'vitest'
import { AUTHORS_MODELS, authorsModel } from '../../src/authors/models.js'
import { KNOWN_MODELS } from '../../src/models/known.js'

const named = Object.entries(AUTHORS_MODELS).flatMap(([arch, sizes]) =>
  Object.entries(sizes).map(([size, id]) => ({ arch, size, id })),
)

describe('AUTHORS_MODELS', () => {
  test('are the known models, each once', () => {
    expect(named.map(({ id }) => id).sort()).toEqual(KNOWN_MODELS.map(({ id }) => id).sort())
  })
})

describe('authorsModel', () => {
  test.each(named)('knows $arch $size', ({ arch, size, id }) => {
    const model = authorsModel(arch, size)
    expect(model).toMatchObject({ name: `${arch}-${size}`, id })
    expect(model.layers).toBeGreaterThan(0)
  })

  test('says what the config says', () => {
    expect(authorsModel('mamba1', '130M')).toEqual({
      name: 'mamba1-130M',
      id: 'state-spaces/mamba-130m-hf',
      family: 'Mamba-1',
      modelType: 'mamba',
      layers: 24,
      width: 768,
      parameters: 129_135_360,
      featureCategories: ['all', 'context-dependent', 'context-independent'],
    })
    expect(authorsModel('gpt2', '355M').featureCategories).toEqual(['all'])
  })

  test.each([
    ['mamba2', '8B'],
    ['mamba3', '1B'],
    ['constructor', 'name'],
  ])('takes models of which nothing is known: %s %s', (arch, size) => {
    expect(authorsModel(arch, size)).toMatchObject({
      name: `${arch}-${size}`,
      id: null,
      family: arch,
      modelType: null,
      layers: null,
    })
  })
})
