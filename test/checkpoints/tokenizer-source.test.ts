/** Tokenizers from elsewhere, through `loadModel` and `openNamed`. */
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadModel, openNamed } from '../../src/load.js'
import { testHub } from '../hub-server/environment.js'
import { mamba, oracleFiles, TOKENIZER } from '../hub-server/models.js'
import { tinyTokenizer } from '../prompts/helpers.js'
import { inputError } from './helpers.js'

const hub = testHub()
const NEOX = 'EleutherAI/gpt-neox-20b'
/** Something that only this tokenizer.json has. */
const OTHER = JSON.stringify({ ...JSON.parse(new TextDecoder().decode(TOKENIZER)), other: true })

/** The files of gpt-neox-20b: of its 40 GB of weights nothing may be asked for. */
function neox(): Record<string, string | Uint8Array> {
  return { ...mamba(), 'config.json': '{"model_type":"gpt_neox"}', 'tokenizer.json': OTHER }
}

async function tokenizerJson(name: string, tokenizer?: string): Promise<unknown> {
  const checkpoint = await openNamed(name, { tokenizer })
  try {
    return await checkpoint.tokenizerJson()
  } finally {
    await checkpoint.close()
  }
}

describe('a checkpoint of mamba_ssm', () => {
  test.each(['mamba1-original', 'mamba2-original'])(
    '%s on the Hub: has the tokenizer of GPT-NeoX, fetched when asked for',
    async (oracle) => {
      hub.server.add('state-spaces/mamba', oracleFiles(oracle))
      hub.server.add(NEOX, neox())
      const checkpoint = await openNamed('state-spaces/mamba')
      expect(hub.server.files()).toEqual(['config.json', 'pytorch_model.bin'])
      expect(await checkpoint.tokenizerJson()).toHaveProperty('other')
      expect(hub.server.files()).toEqual(['config.json', 'pytorch_model.bin', 'tokenizer.json'])
      hub.server.asked.length = 0
      expect(await checkpoint.tokenizerJson()).toHaveProperty('other')
      expect(hub.server.asked.map(({ path }) => path)).toEqual([`/api/models/${NEOX}/revision/main`])
      await checkpoint.close()
    },
  )

  test('in a folder: the same', async () => {
    hub.server.add(NEOX, neox())
    const model = await loadModel('test/fixtures/oracle/mamba1-original', { threads: 1 })
    expect(hub.server.asked).toEqual([])
    expect((await model.tokenizer()).tokenText(1000)).toBe(tinyTokenizer().tokenText(1000))
    expect(hub.server.files()).toEqual(['tokenizer.json'])
    await model.close()
  })

  test('with a tokenizer of its own has that', async () => {
    const dir = join(hub.home, 'model')
    mkdirSync(dir)
    for (const file of ['config.json', 'pytorch_model.bin']) {
      copyFileSync(join('test/fixtures/oracle/mamba1-original', file), join(dir, file))
    }
    copyFileSync('models/tiny-mamba1/tokenizer.json', join(dir, 'tokenizer.json'))
    expect(await tokenizerJson(dir)).not.toHaveProperty('other')
    hub.server.add('own/mamba', { ...oracleFiles('mamba1-original'), 'tokenizer.json': TOKENIZER })
    expect(await tokenizerJson('own/mamba')).not.toHaveProperty('other')
  })

  test('without a network: says which model it needs', async () => {
    process.env.HF_HUB_OFFLINE = '1'
    expect(await inputError(tokenizerJson('test/fixtures/oracle/mamba1-original'))).toMatch(
      /^EleutherAI\/gpt-neox-20b: must be in the cache while HF_HUB_OFFLINE is set, /,
    )
  })

  test('of a revision: that is not one of the tokenizer', async () => {
    hub.server.add('state-spaces/mamba', oracleFiles('mamba1-original'), {
      revisions: { v1: oracleFiles('mamba1-original') },
    })
    hub.server.add(NEOX, neox())
    const checkpoint = await openNamed('state-spaces/mamba', { revision: 'v1' })
    expect(await checkpoint.tokenizerJson()).toHaveProperty('other')
    await checkpoint.close()
  })
})

describe('the option', () => {
  test.each([
    ['a file', 'models/tiny-mamba1/tokenizer.json'],
    ['a folder', 'models/tiny-mamba1'],
    ['an embedded model', 'tiny-mamba1'],
  ])('takes %s', async (_, tokenizer) => {
    const expected: unknown = JSON.parse(new TextDecoder().decode(TOKENIZER))
    expect(await tokenizerJson('test/fixtures/oracle/mamba1-hf', tokenizer)).toEqual(expected)
    expect(hub.server.asked).toEqual([])
  })

  test('takes a model on the Hub, and of that its tokenizer alone', async () => {
    hub.server.add(NEOX, neox())
    expect(await tokenizerJson('tiny-mamba1', NEOX)).toHaveProperty('other')
    expect(hub.server.files()).toEqual(['tokenizer.json'])
  })

  test('goes before the model’s own', async () => {
    hub.server.add('own/mamba', { ...mamba(), 'tokenizer.json': OTHER })
    expect(await tokenizerJson('own/mamba', 'tiny-mamba1')).not.toHaveProperty('other')
  })

  test.each(['./nothing', 'a/b/c', ''])('refuses %j', async (name) => {
    expect(await inputError(openNamed('tiny-mamba1', { tokenizer: name }))).toBe(
      `--tokenizer: must be a folder, a tokenizer.json or a model's id on the Hub, got ${JSON.stringify(name)}; check the name or path`,
    )
  })

  test('refuses what holds none', async () => {
    hub.server.add('own/mamba', oracleFiles('mamba1-hf'))
    expect(await inputError(tokenizerJson('tiny-mamba1', 'own/mamba'))).toMatch(
      /^own\/mamba: must hold tokenizer.json, got /,
    )
    expect(await inputError(tokenizerJson('tiny-mamba1', 'test'))).toMatch(
      /^test\/tokenizer.json: the file must exist, /,
    )
    expect(await inputError(tokenizerJson('tiny-mamba1', 'README.md'))).toMatch(/^README.md: must be JSON /)
  })
})
