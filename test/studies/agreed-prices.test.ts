import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { agreedPrice, knownPrice } from '../../src/studies/agreed-prices.js'
import { modelSizes } from '../../src/studies/model-here.js'
import { priceOf } from '../../src/studies/shares.js'
import type { StudyModel } from '../../src/studies/study.js'

const MODEL = resolve(import.meta.dirname, '..', 'fixtures', 'oracle', 'mamba1-hf')

let dir: string
let run: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-prices-'))
  run = await mkdtemp(join(dir, 'run-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const known = async (entry: StudyModel) => knownPrice(run, entry, await modelSizes(entry))

describe('the price of a model', () => {
  it('is that of its sizes here, until workers have agreed on one', async () => {
    const price = priceOf((await modelSizes({ model: MODEL }))!)
    expect(price.layers).toBe(5)
    expect(await known({ model: MODEL })).toEqual(price)
    expect(await readdir(run)).toEqual([])
    expect(await agreedPrice(run, { model: MODEL })).toEqual(price)
    expect(await readdir(run)).toHaveLength(1)
  })

  it('stays what the first worker saw, also when the model comes later', async () => {
    const entry = { model: join(dir, 'later') }
    expect(await agreedPrice(run, entry)).toBeUndefined()
    await cp(MODEL, entry.model, { recursive: true })
    expect(await agreedPrice(run, entry)).toBeUndefined()
    expect(await known(entry)).toBeUndefined()
    // Elsewhere nothing has been agreed.
    expect(await agreedPrice(dir, entry)).toMatchObject({ layers: 5 })
  })

  it('is one for a model, whatever it is called in a study, and another for another revision', async () => {
    await agreedPrice(run, { model: MODEL, label: 'a' })
    await agreedPrice(run, { model: MODEL, label: 'b' })
    expect(await readdir(run)).toHaveLength(1)
    await agreedPrice(run, { model: 'state-spaces/mamba-130m-hf', revision: 'main' })
    await agreedPrice(run, { model: 'state-spaces/mamba-130m-hf' })
    expect(await readdir(run)).toHaveLength(3)
    expect(await known({ model: 'state-spaces/mamba-130m-hf' })).toMatchObject({ layers: 24 })
  })

  it('is that of all who ask at once', async () => {
    const entry = { model: join(dir, 'comes') }
    const [, ...prices] = await Promise.all([
      cp(MODEL, entry.model, { recursive: true }),
      ...Array.from({ length: 20 }, () => agreedPrice(run, entry)),
    ])
    for (const price of prices) expect(price).toEqual(await known(entry))
    expect(await readdir(run)).toHaveLength(1)
  })

  it('is agreed anew where its file is torn, and known where nothing can be written', async () => {
    const price = await agreedPrice(run, { model: MODEL })
    const [file] = await readdir(run)
    for (const text of ['', '{"format": "factflow-price/1", "model"', '{"format": "other"}']) {
      await writeFile(join(run, file!), text)
      expect(await agreedPrice(run, { model: MODEL })).toEqual(price)
    }
    expect(await readdir(run)).toEqual([file])
    expect(await agreedPrice(join(dir, 'gone'), { model: MODEL })).toEqual(price)
  })
})
