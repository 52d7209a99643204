/** What the user is told when a model cannot be had. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, onTestFinished, test } from 'vitest'
import { InputError } from '../../src/errors.js'
import { loadModel, type OpenOptions, openNamed } from '../../src/load.js'
import { testHub, tree } from '../hub-server/environment.js'
import { mamba, OTHERS, oracleFiles } from '../hub-server/models.js'

const hub = testHub()
const ID = 'owner/mamba'

/** The message of the InputError that loading must end with. */
async function message(name = ID, options: OpenOptions = {}): Promise<string> {
  const error: unknown = await loadModel(name, options).then(
    (model) => model.close(),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(InputError)
  const { message: text } = error as InputError
  expect(text).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
  expect(text).not.toMatch(/hf_[a-z]/)
  return text.replaceAll(hub.server.endpoint, 'https://hub').replaceAll(hub.home, 'HOME')
}

describe('a gated model', () => {
  test('without a token', async () => {
    hub.server.add(ID, mamba(), { gatedFor: ['hf_ok'] })
    expect(await message()).toBe(
      'owner/mamba: its licence must be accepted (it is a gated model), got HTTP 401; accept the licence at https://hub/owner/mamba and set HF_TOKEN to a token of your account',
    )
  })

  test('with a token of somebody who did not ask', async () => {
    hub.server.add(ID, mamba(), { gatedFor: ['hf_ok'] })
    process.env.HF_TOKEN = 'hf_other'
    expect(await message()).toBe(
      'owner/mamba: its licence must be accepted (it is a gated model), got HTTP 403; accept the licence at https://hub/owner/mamba with the account that the token (HF_TOKEN) belongs to',
    )
  })

  test('with a token that may read it', async () => {
    hub.server.add(ID, mamba(), { gatedFor: ['hf_ok'] })
    await (await openNamed(ID, { token: 'hf_ok' })).close()
  })
})

describe('a model that is not there, or private', () => {
  test('without a token', async () => {
    expect(await message()).toBe(
      'owner/mamba: must be a model on https://hub, got no such model, or a private one (HTTP 401); check the spelling, and set HF_TOKEN if it is private',
    )
  })

  test('with a token', async () => {
    hub.server.add(ID, mamba(), { privateTo: ['hf_ok'] })
    process.env.HF_TOKEN = 'hf_other'
    expect(await message()).toBe(
      'owner/mamba: must be a model on https://hub, got no such model, or a private one (HTTP 404); check the spelling, and that the token (HF_TOKEN) may read it',
    )
  })

  test('by a name without an owner', async () => {
    expect(await message('mamba-9000')).toMatch(
      /^mamba-9000: must be a model on https:\/\/hub, got no such model/,
    )
  })
})

describe('a token that is not one', () => {
  test('because the Hub refuses it', async () => {
    hub.server.add(ID, mamba())
    process.env.HF_TOKEN = 'hf_wrong'
    expect(await message()).toBe(
      'HF_TOKEN: must be a valid token of https://hub, got one that it refuses (HTTP 401); make a new one at https://hub/settings/tokens',
    )
  })

  test('because no header could hold it', async () => {
    process.env.HF_TOKEN = 'hf_a b\u00e9'
    expect(await message()).toBe(
      'HF_TOKEN: must be a token of letters, digits and signs, got other characters; set it again',
    )
    expect(hub.server.asked).toEqual([])
  })
})

describe('a revision', () => {
  test('that is not there', async () => {
    hub.server.add(ID, mamba())
    expect(await message(ID, { revision: 'v9' })).toBe(
      'owner/mamba: --revision must be a branch, a tag or a commit of it, got "v9" (HTTP 404); see https://hub/owner/mamba/commits/main',
    )
  })

  test('of a folder or an embedded model makes no sense', async () => {
    for (const name of ['tiny-mamba1', 'test/fixtures/oracle/mamba1-hf']) {
      expect(await message(name, { revision: 'main' })).toBe(
        `--revision: must not be given with a folder or an embedded model, got "main" for "${name}"; leave it out`,
      )
    }
  })
})

describe('a repository that is not a model for us', () => {
  test('without config.json: says what there is', async () => {
    hub.server.add(ID, OTHERS)
    const atTop = Object.keys(OTHERS).filter((path) => !path.includes('/'))
    expect(await message()).toBe(
      `owner/mamba: must hold config.json, got ${JSON.stringify(atTop)}; name a repository in the layout of transformers or mamba_ssm`,
    )
  })

  test('without weights: says what there is', async () => {
    const { 'model.safetensors': _, 'pytorch_model.bin': __, ...files } = mamba()
    hub.server.add(ID, files)
    expect(await message()).toMatch(
      /^owner\/mamba: must hold model.safetensors or pytorch_model.bin \(or an index and all its shards\), got \[.*"model.Q4_0.gguf".*\]; /,
    )
  })

  test('without one of its shards', async () => {
    const { 'model.safetensors': weights, 'pytorch_model.bin': _, ...files } = mamba()
    const index = JSON.stringify({ weight_map: { a: 'one.safetensors', b: 'two.safetensors' } })
    hub.server.add(ID, { ...files, 'model.safetensors.index.json': index, 'one.safetensors': weights! })
    expect(await message()).toMatch(/must hold .* all its shards/)
    expect(hub.server.downloads).toEqual([])
  })

  test('with an index that reaches out of its folder', async () => {
    const { 'model.safetensors': _, 'pytorch_model.bin': __, ...files } = mamba()
    const index = JSON.stringify({ weight_map: { a: '../../../../evil.safetensors' } })
    hub.server.add(ID, { ...files, 'model.safetensors.index.json': index })
    expect(await message()).toMatch(/must hold .* all its shards/)
  })

  test('of an unknown architecture: its weights are not downloaded', async () => {
    hub.server.add(ID, { ...mamba(), 'config.json': '{"model_type":"t5"}' })
    expect(await message()).toMatch(/config.json: model_type must be one of mamba, .*, got "t5"; /)
    expect(hub.server.files()).toEqual(['config.json'])
  })

  test('that is empty', async () => {
    hub.server.add(ID, {})
    expect(await message()).toMatch(/must hold config.json, got no files; /)
  })
})

describe('a Hub that cannot be reached', () => {
  test('because nobody listens', async () => {
    const { endpoint } = hub.server
    await hub.server.close()
    expect(await message()).toBe(
      `owner/mamba: ${new URL(endpoint).host} must be reachable, got ECONNREFUSED; check the network and HF_ENDPOINT, or name a folder`,
    )
  })

  test('because its name is not known', async () => {
    process.env.HF_ENDPOINT = 'https://hub.invalid'
    expect(await message()).toMatch(
      /^owner\/mamba: hub.invalid must be reachable, got (ENOTFOUND|EAI_AGAIN); check the network and HF_ENDPOINT, or name a folder$/,
    )
  })

  test('because it does not answer', async () => {
    process.env.HF_HUB_ETAG_TIMEOUT = '1'
    const endpoint = await serve(() => {})
    process.env.HF_ENDPOINT = endpoint
    expect(await message()).toMatch(
      /^owner\/mamba: 127.0.0.1:\d+ must answer, got nothing for 1 s; check the network, or give it more seconds with /,
    )
  })

  test('because it is busy for long', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: /./, status: 429, times: 100, headers: { 'retry-after': '0' } })
    expect(await message()).toMatch(
      /^owner\/mamba: 127.0.0.1:\d+ must accept the request, got HTTP 429 \(too many requests\); wait a few minutes, or set HF_TOKEN: it allows more$/,
    )
    expect(hub.server.asked).toHaveLength(6)
  })

  test.each(['ftp://hub', 'hub', 'https://'])('because %s is none', async (endpoint) => {
    process.env.HF_ENDPOINT = endpoint
    expect(await message()).toMatch(/^HF_ENDPOINT: must be a URL of http or https, got /)
  })
})

describe('a server that is not the Hub', () => {
  test.each<[string, string]>([
    ['a page to log in to the network', '<html>Log in</html>'],
    ['another list', '[]'],
    ['a commit that reaches out of the cache', '{"sha":"../../../evil"}'],
  ])('but gives %s', async (_, body) => {
    process.env.HF_ENDPOINT = await serve((_request, response) => response.end(body))
    expect(await message()).toMatch(
      /^http:\/\/127.0.0.1:\d+: must answer as the Hugging Face Hub does, got .*; check HF_ENDPOINT and the network$/,
    )
    expect(tree(hub.home)).toEqual([])
  })

  test('but gives files with hashes that reach out of the cache', async () => {
    process.env.HF_ENDPOINT = await serve((request, response) => {
      const file = { type: 'file', path: 'config.json', size: 2, oid: '../../../evil' }
      response.end(JSON.stringify(request.url!.includes('/tree/') ? [file] : { sha: '0'.repeat(40) }))
    })
    expect(await message()).toMatch(
      /must answer as the Hugging Face Hub does, got a file "config.json" of 2 bytes/,
    )
    expect(tree(hub.home)).toEqual([])
  })
})

describe('offline', () => {
  test.each(['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])(
    'by %s: no request, and it says why',
    async (variable) => {
      hub.server.add(ID, mamba())
      process.env[variable] = '1'
      expect(await message()).toBe(
        `owner/mamba: must be in the cache while ${variable} is set, got no whole copy of revision "main" in ${join('HOME', 'hub', 'models--owner--mamba')}; download it without ${variable}, or check HF_HOME`,
      )
      expect(hub.server.asked).toEqual([])
    },
  )

  test('by the option', async () => {
    hub.server.add(ID, mamba())
    expect(await message(ID, { offline: true })).toMatch(/while --offline is set, got no whole copy/)
    expect(hub.server.asked).toEqual([])
  })
})

describe('a name that cannot be a model', () => {
  test.each([
    ['./models/x', true],
    ['/no/such/folder', true],
    ['../x', true],
    ['a/b/c', true],
    ['~/models', true],
    ['C:\\models', true],
    ['no\nname', false],
    ['', false],
    ['a--b', false],
    ['owner/name.git', false],
  ])('%j', async (name, path) => {
    expect(await message(name)).toBe(
      `--model: must be an embedded model (tiny-gpt2, tiny-mamba1, tiny-mamba2), a folder, or a model's id on the Hub, got ${JSON.stringify(name)}${path ? ', and there is no such folder' : ''}; check the name or path`,
    )
    expect(hub.server.asked).toEqual([])
  })

  test('but a folder goes before a model on the Hub', async () => {
    hub.server.add('test/fixtures', oracleFiles('mamba1-hf'))
    expect(await message('test/fixtures')).toMatch(/config.json: the model's configuration must exist/)
    expect(hub.server.asked).toEqual([])
  })
})

/** A server that is gone after the test; returns its URL. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
