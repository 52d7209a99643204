/** Models by their id on the Hub, through `loadModel`, on a local server. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { DownloadProgress } from '../../src/checkpoints/hub-target.js'
import { loadModel, openNamed } from '../../src/load.js'
import { testHub, tree } from '../hub-server/environment.js'
import {
  mamba,
  OTHERS,
  oracleFiles,
  sharded,
  TOKENIZER,
  WEIGHT_BYTES,
  weights,
} from '../hub-server/models.js'
import { tinyTokenizer } from '../prompts/helpers.js'
import { inputError } from './helpers.js'

const hub = testHub()
const ID = 'state-spaces/mamba-130m-hf'
const NEEDED = ['config.json', 'model.safetensors', 'tokenizer.json']

/** A prompt in token ids, and the oracle's probability of token 42 after it (cases.json, baseProbs[42]). */
const IDS = [33, 62, 51, 38, 61, 45, 27, 17, 36, 17, 12, 32, 18, 39, 12, 9, 42]
const PROB_42 = 0.1485664
/** Absolute, of probabilities on the tiny models, float32 on the CPU. */
const PARITY = 5e-6

/** Open a model and close it. */
async function open(id = ID, options = {}): Promise<void> {
  await (await openNamed(id, options)).close()
}

/** The paths that were asked for of the Hub itself, questions apart from files. */
function questions(): string[] {
  return hub.server.asked.map(({ path }) => path).filter((path) => path.startsWith('/api/models/'))
}

describe('a model that is not in the cache', () => {
  test('is downloaded, and computes what the oracle says', async () => {
    hub.server.add(ID, mamba())
    const model = await loadModel(ID, { threads: 1 })
    try {
      expect(model.name).toBe(ID)
      const [result] = await model.knockout([{ ids: IDS, answer: 42, knockouts: [] }])
      expect(Math.abs(result!.base.prob - PROB_42)).toBeLessThan(PARITY)
      expect((await model.tokenizer()).tokenText(1000)).toBe(tinyTokenizer().tokenText(1000))
    } finally {
      await model.close()
    }
  })

  test('costs two questions, and no file beyond those that are needed', async () => {
    const commit = hub.server.add(ID, mamba())
    await open()
    expect(questions()).toEqual([`/api/models/${ID}/revision/main`, `/api/models/${ID}/tree/${commit}`])
    expect(hub.server.files()).toEqual(NEEDED)
    expect(hub.server.downloads).toHaveLength(1)
  })

  test('lies in the cache as Python would have put it there', async () => {
    const commit = hub.server.add(ID, mamba())
    await open()
    const repo = 'hub/models--state-spaces--mamba-130m-hf'
    const files = tree(hub.home)
    expect(files).toEqual(
      [
        expect.stringMatching(`^${repo}/blobs/[0-9a-f]{40}$`),
        expect.stringMatching(`^${repo}/blobs/[0-9a-f]{40}$`),
        expect.stringMatching(`^${repo}/blobs/[0-9a-f]{64}$`),
        `${repo}/refs/main`,
        ...NEEDED.map((file) => `${repo}/snapshots/${commit}/${file}`),
      ].sort(),
    )
    expect(readFileSync(join(hub.home, repo, 'refs/main'), 'utf8')).toBe(commit)
    const file = join(hub.home, repo, 'snapshots', commit, 'model.safetensors')
    expect(readFileSync(file).equals(weights())).toBe(true)
  })

  test('in shards: the index and its shards, several at once', async () => {
    hub.server.add(ID, sharded())
    hub.server.fault({ path: /^\/[0-9a-f]{64}$/, times: 3, slow: 30, pieceBytes: 8192 })
    await open()
    expect(hub.server.files()).toEqual([
      'config.json',
      'model-00001-of-00003.safetensors',
      'model-00002-of-00003.safetensors',
      'model-00003-of-00003.safetensors',
      'model.safetensors.index.json',
      'tokenizer.json',
    ])
    expect(hub.server.mostAtOnce).toBeGreaterThanOrEqual(2)
    expect(hub.server.mostAtOnce).toBeLessThanOrEqual(4)
  })

  test('in PyTorch files, where there are no others', async () => {
    hub.server.add(ID, { ...OTHERS, ...oracleFiles('mamba1-original') })
    await open()
    expect(hub.server.files()).toEqual(['config.json', 'pytorch_model.bin'])
  })

  test('whose list of files comes in pages', async () => {
    hub.server.add(ID, mamba())
    hub.server.pageSize = 3
    await open()
    expect(questions().length).toBeGreaterThan(3)
    expect(hub.server.files()).toEqual(NEEDED)
  })

  test('by an old name, which redirects', async () => {
    hub.server.add('openai-community/gpt2', { ...oracleFiles('gpt2'), 'tokenizer.json': TOKENIZER })
    hub.server.alias('gpt2', 'openai-community/gpt2')
    const checkpoint = await openNamed('gpt2')
    await checkpoint.close()
    expect(checkpoint.name).toBe('gpt2')
    // As Python: the folder has the name that was asked for.
    expect(existsSync(join(hub.home, 'hub/models--gpt2/refs/main'))).toBe(true)
  })

  test('reports how far it is, all files together, up to the end', async () => {
    hub.server.add(ID, mamba())
    const progress: DownloadProgress[] = []
    await open(ID, { onProgress: (p: DownloadProgress) => progress.push(p) })
    const total = WEIGHT_BYTES + TOKENIZER.length
    expect(progress[0]).toMatchObject({ model: ID, done: 0, total })
    expect(progress.at(-1)).toMatchObject({ done: total, total })
    expect(progress.every(({ done }, i) => i === 0 || done >= progress[i - 1]!.done)).toBe(true)
    expect(new Set(progress.map(({ file }) => file))).toEqual(
      new Set(['model.safetensors', 'tokenizer.json']),
    )
    expect(tree(progress[0]!.folder)).toEqual(NEEDED)
  })
})

describe('a model that is in the cache', () => {
  test('costs one question, and nothing is downloaded', async () => {
    hub.server.add(ID, mamba())
    await open()
    hub.server.asked.length = 0
    const progress: DownloadProgress[] = []
    await open(ID, { onProgress: (p: DownloadProgress) => progress.push(p) })
    expect(hub.server.asked.map(({ path }) => path)).toEqual([`/api/models/${ID}/revision/main`])
    expect(progress).toEqual([])
  })

  test('without a tokenizer: that there is none is remembered', async () => {
    hub.server.add(ID, oracleFiles('mamba1-hf'))
    await open()
    hub.server.asked.length = 0
    await open()
    expect(hub.server.asked).toHaveLength(1)
  })

  test('by its commit: costs no question', async () => {
    const commit = hub.server.add(ID, mamba())
    await open(ID, { revision: commit })
    expect(questions()).toEqual([`/api/models/${ID}/tree/${commit}`])
    hub.server.asked.length = 0
    await open(ID, { revision: commit })
    expect(hub.server.asked).toEqual([])
  })

  test('when the branch has moved: only what has changed is downloaded', async () => {
    const first = hub.server.add(ID, mamba())
    await open()
    hub.server.asked.length = 0
    const second = hub.server.add(ID, {
      ...mamba(),
      'tokenizer.json': readFileSync('models/tiny-gpt2/tokenizer.json'),
      'config.json': changedConfig(),
    })
    expect(second).not.toBe(first)
    await open()
    expect(hub.server.downloads).toEqual([])
    const snapshots = join(hub.home, 'hub/models--state-spaces--mamba-130m-hf/snapshots')
    for (const commit of [first, second]) expect(tree(join(snapshots, commit))).toEqual(NEEDED)
    expect(readFileSync(join(snapshots, second, 'config.json'), 'utf8')).toBe(changedConfig())
    expect(readFileSync(join(snapshots, first, 'config.json'), 'utf8')).not.toBe(changedConfig())
  })

  test('of which a part is gone: that part is downloaded', async () => {
    const commit = hub.server.add(ID, sharded())
    await open()
    hub.server.asked.length = 0
    const repo = join(hub.home, 'hub/models--state-spaces--mamba-130m-hf')
    const lost = 'model-00002-of-00003.safetensors'
    rmSync(join(repo, 'snapshots', commit, lost))
    await open()
    // The blob is still there: a link is enough.
    expect(hub.server.files()).toEqual([])
    rmSync(join(repo, 'snapshots', commit, lost))
    rmSync(join(repo, 'blobs'), { recursive: true })
    mkdirSync(join(repo, 'blobs'))
    await open()
    expect(hub.server.files()).toContain(lost)
  })
})

describe('revisions', () => {
  test('a branch, a tag, and their commits', async () => {
    const config = changedConfig()
    const main = hub.server.add(ID, mamba(), {
      revisions: {
        'v1.0': { ...mamba(), 'config.json': config },
        'refs/pr/1': { ...mamba(), 'README.md': 'x' },
      },
    })
    const refs = join(hub.home, 'hub/models--state-spaces--mamba-130m-hf/refs')
    const tagged = await openNamed(ID, { revision: 'v1.0' })
    await tagged.close()
    expect(tagged.config.changed).toBe(true)
    await open(ID, { revision: 'refs/pr/1' })
    expect(tree(refs)).toEqual(['refs/pr/1', 'v1.0'])
    const plain = await openNamed(ID)
    await plain.close()
    expect(plain.config.changed).toBeUndefined()
    expect(readFileSync(join(refs, 'main'), 'utf8')).toBe(main)
  })

  test.each(['../../../x', '', 'a b', '/etc', 'a\n'])('%j cannot be one', async (revision) => {
    expect(await inputError(open(ID, { revision }))).toMatch(
      /^--revision: must be a branch, a tag or a commit, /,
    )
    expect(hub.server.asked).toEqual([])
  })
})

describe('the token', () => {
  test('goes to the Hub and nowhere else', async () => {
    hub.server.add(ID, sharded(), { privateTo: ['hf_secret'] })
    process.env.HF_TOKEN = ' hf_secret\n'
    await open()
    expect(hub.server.downloads).toHaveLength(3)
    for (const { origin, headers } of hub.server.asked) {
      expect(headers.authorization).toBe(origin === 'hub' ? 'Bearer hf_secret' : undefined)
    }
  })

  test('does not follow a list of files that goes on elsewhere', async () => {
    hub.server.add(ID, mamba())
    hub.server.pageSize = 2
    hub.server.nextPageAt = hub.server.cdnEndpoint
    expect(await inputError(open(ID, { token: 'hf_secret' }))).toMatch(
      /must accept the request, got HTTP 403; /,
    )
    expect(hub.server.downloads.map(({ headers }) => headers.authorization)).toEqual([undefined])
  })

  test('may be given, or forbidden', async () => {
    hub.server.add(ID, mamba())
    process.env.HF_TOKEN = 'hf_variable'
    await open(ID, { token: 'given-by-a-mirror' })
    expect(hub.server.asked[0]!.headers.authorization).toBe('Bearer given-by-a-mirror')
    hub.server.asked.length = 0
    await open(ID, { token: false })
    expect(hub.server.asked[0]!.headers.authorization).toBeUndefined()
  })
})

test('files are asked for as they are: compressed, their parts would be others', async () => {
  hub.server.add(ID, mamba())
  await open()
  const files = hub.server.asked.filter(({ path }) => !path.startsWith('/api/models/'))
  expect(files.length).toBeGreaterThan(3)
  for (const { headers } of files) expect(headers['accept-encoding']).toBe('identity')
})

/** mamba's config.json with one more key. */
function changedConfig(): string {
  const config = JSON.parse(new TextDecoder().decode(oracleFiles('mamba1-hf')['config.json'])) as object
  return JSON.stringify({ ...config, changed: true })
}
