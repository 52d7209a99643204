import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { InputError } from '../src/errors.js'
import { type LoadOptions, loadModel, openNamed } from '../src/load.js'

const RANDOM_MODEL = 'test/fixtures/oracle/mamba1-hf'
/** A prompt in token ids, and the oracle's probability of token 42 after it (cases.json, baseProbs[42]). */
const IDS = [33, 62, 51, 38, 61, 45, 27, 17, 36, 17, 12, 32, 18, 39, 12, 9, 42]
const PROB_42 = 0.1485664
/** Absolute, of probabilities on the tiny models, float32 on the CPU. */
const PARITY = 5e-6

const folder = mkdtempSync(join(tmpdir(), 'factflow-load-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The message of the InputError that loading must end with. */
async function inputError(name: string, options?: LoadOptions): Promise<string> {
  const error: unknown = await loadModel(name, options).then(
    (model) => model.close(),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(InputError)
  expect((error as Error).message).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
  return (error as Error).message
}

describe('loadModel', () => {
  test.each([
    ['a relative folder', RANDOM_MODEL],
    ['an absolute folder', resolve(RANDOM_MODEL)],
    ['a folder with a slash at its end', `${RANDOM_MODEL}/`],
  ])('opens %s', async (_, name) => {
    const model = await loadModel(name, { threads: 1 })
    try {
      expect(model.name).toBe(name)
      const [result] = await model.knockout([{ ids: IDS, answer: 42, knockouts: [] }])
      expect(Math.abs(result!.base.prob - PROB_42)).toBeLessThan(PARITY)
    } finally {
      await model.close()
    }
  })

  test('opens a link to a folder', async () => {
    symlinkSync(resolve(RANDOM_MODEL), join(folder, 'link'))
    const model = await loadModel(join(folder, 'link'))
    expect(model.spec.nLayers).toBe(5)
    await model.close()
  })

  test('opens an embedded model by its name, with threads and memory as asked', async () => {
    const model = await loadModel('tiny-mamba1', { threads: 1, memory: 2 ** 30 })
    expect(model).toMatchObject({ name: 'tiny-mamba1', memory: 2 ** 30, spec: { nLayers: 24 } })
    expect(model.runtime.description).toMatch(/CPU, 1 thread$/)
    await model.close()
  })

  test.each(['', './nowhere', 'no\nname'])('does not know %j, and says what it knows', async (name) => {
    expect(await inputError(name)).toMatch(
      /^--model: must be an embedded model \(tiny-gpt2, tiny-mamba1, tiny-mamba2\), a folder, or a model's id on the Hub, got /,
    )
  })

  test.each(['mamba-9000', 'TINY-MAMBA1', 'state-spaces/mamba-130m-hf'])(
    'takes %j for a model on the Hub',
    async (name) => {
      expect(await inputError(name, { offline: true })).toMatch(
        /: must be in the cache while --offline is set, got no whole copy of revision "main" in .*models--/,
      )
    },
  )

  test('refuses a file', async () => {
    writeFileSync(join(folder, 'file'), '')
    expect(await inputError(join(folder, 'file'))).toContain('/file: must be a folder with ')
  })

  test.each([0, -1, Number.NaN])('refuses %d bytes of memory', async (memory) => {
    expect(await inputError(RANDOM_MODEL, { memory })).toBe(
      `memory: must be a number of bytes above 0, got ${memory}; leave it out for the default`,
    )
  })

  test('refuses memory that holds not even a layer', async () => {
    expect(await inputError('tiny-mamba1', { memory: 1e6 })).toMatch(
      /^--memory: to load tiny-mamba1, at least [\d.]+ MB are needed, got 1 MB; give more memory$/,
    )
  })

  test.each([0, -1, 1.5, Number.NaN])('refuses %d threads', async (threads) => {
    expect(await inputError(RANDOM_MODEL, { threads })).toMatch(
      /^threads: must be a whole number above 0, got /,
    )
  })

  test.skipIf(!existsSync('/proc/self/fd'))(
    'leaves no file open: after a failure, and when closed',
    async () => {
      const open = (): number => readdirSync('/proc/self/fd').length
      await (await loadModel(RANDOM_MODEL)).close()
      const before = open()
      await inputError(RANDOM_MODEL, { memory: 1000 })
      await (await openNamed(RANDOM_MODEL)).close()
      const model = await loadModel(RANDOM_MODEL)
      expect(open()).toBeGreaterThan(before)
      await model.close()
      expect(open()).toBe(before)
    },
  )
})
