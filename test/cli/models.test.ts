/** `factflow models`: embedded models, the paper's, and what is in the cache. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { KNOWN_MODELS } from '../../src/models/known.js'
import type { ModelEntry } from '../../src/ui/protocol.js'
import { testHub } from '../hub-server/environment.js'
import { mamba, oracleFiles } from '../hub-server/models.js'
import { factflow, succeed } from './command.js'

const hub = testHub()
const PAPER = KNOWN_MODELS.map(({ id }) => id)

async function models(): Promise<ModelEntry[]> {
  return JSON.parse(await succeed(['models', '--json'], { env: hub.env })) as ModelEntry[]
}

test("with an empty cache: the embedded models and the paper's, without a request", async () => {
  const entries = await models()
  const embedded = readdirSync('models', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  expect(entries.map(({ name }) => name)).toEqual([...embedded.map(({ name }) => name).sort(), ...PAPER])
  expect(entries.filter(({ cached }) => cached).map(({ source }) => source)).toEqual(
    embedded.map(() => 'embedded'),
  )
  expect(entries.find(({ name }) => name === 'tiny-mamba1')).toMatchObject({
    modelType: 'mamba',
    layers: 24,
    width: 128,
    vocabulary: 4096,
    parameters: 3_323_008,
    disk: 6_670_928,
  })
  expect(hub.server.asked).toEqual([])
})

test('what was downloaded is cached; other models of the cache are listed when they can be used', async () => {
  hub.server.add(PAPER[0], mamba())
  hub.server.add('owner/gpt', oracleFiles('gpt2'))
  for (const id of [PAPER[0], 'owner/gpt']) await factflow(['download', id], { env: hub.env })
  const entries = await models()
  expect(entries.filter(({ cached, source }) => cached && source !== 'embedded')).toMatchObject([
    { name: PAPER[0], source: 'paper' },
    { name: 'owner/gpt', source: 'cache', modelType: 'gpt2', layers: 5, width: 32 },
  ])
  const paper = entries.find(({ name }) => name === PAPER[0])!
  const before = KNOWN_MODELS[0]
  expect(paper.disk).toBeLessThan(1e6) // what is there, not what the config of the real model makes of it
  expect(paper.layers).toBe(before.config.num_hidden_layers)
})

test('the table has a line for each', async () => {
  const lines = (await succeed(['models'], { env: hub.env })).split('\n')
  expect(lines[0]).toMatch(/^MODEL +FAMILY +PARAMS +LAYERS +WIDTH +DISK +MEMORY +LEAST +HERE$/)
  expect(lines.find((line) => line.startsWith('tiny-mamba1 '))).toMatch(
    /^tiny-mamba1 +Mamba-1 +3.32 M +24 +128 +7 MB +14 MB +\d+ MB +embedded$/,
  )
  expect(lines.find((line) => line.startsWith('meta-llama/Meta-Llama-3-8B '))).toMatch(
    /^meta-llama\/Meta-Llama-3-8B +Llama 3 +8.03 B +32 +4096 +16.1 GB +30.0 GB +[\d.]+ MB +gated$/,
  )
  for (const id of PAPER) expect(lines.filter((line) => line.startsWith(`${id} `))).toHaveLength(1)
})
