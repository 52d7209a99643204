/** The cache that is shared with Python: without a network, in both directions, without links, read-only. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { cachedModel, cachedModels } from '../../src/checkpoints/hub-cache.js'
import { type OpenOptions, openNamed } from '../../src/load.js'
import { PYTHON, python, testHub, tree } from '../hub-server/environment.js'
import { mamba, oracleFiles, sharded, WEIGHT_BYTES, weights } from '../hub-server/models.js'
import { inputError } from './helpers.js'

const hub = testHub()
const ID = 'owner/mamba'

function repo(): string {
  return join(hub.home, 'hub/models--owner--mamba')
}

async function open(options: OpenOptions = {}): Promise<void> {
  await (await openNamed(ID, options)).close()
}

describe('without a network', () => {
  test('a model of the cache opens, and no request is made', async () => {
    hub.server.add(ID, mamba())
    await open()
    hub.server.asked.length = 0
    process.env.HF_HUB_OFFLINE = '1'
    const checkpoint = await openNamed(ID)
    expect(await checkpoint.tokenizerJson()).toHaveProperty('model')
    await checkpoint.close()
    expect(hub.server.asked).toEqual([])
  })

  test.each([
    ['the Hub is gone', () => hub.server.close(), /ECONNREFUSED/],
    ['the Hub is busy', () => hub.server.fault({ path: /./, status: 503, times: 100 }), /HTTP 503/],
    [
      'the licence is not accepted any more',
      () => hub.server.add(ID, mamba(), { privateTo: ['hf_x'] }),
      /HTTP 401/,
    ],
  ])('nor when %s, with a note', async (_, gone, what) => {
    const commit = hub.server.add(ID, mamba())
    await open()
    await gone()
    const notes: string[] = []
    const begin = performance.now()
    await open({ onNote: (note) => notes.push(note) })
    expect(notes).toEqual([expect.stringMatching(what)])
    expect(notes[0]).toContain(`using what is in the cache, commit ${commit}`)
    // Not after many attempts.
    expect(performance.now() - begin).toBeLessThan(1000)
  })

  test('a revision that the Hub no longer has is an error all the same', async () => {
    hub.server.add(ID, mamba(), { revisions: { v1: mamba() } })
    await open({ revision: 'v1' })
    await hub.server.close()
    await open({ revision: 'v1' })
    expect(await inputError(open({ revision: 'v2', offline: true }))).toMatch(
      /no whole copy of revision "v2"/,
    )
  })

  test.each(['config.json', 'model-00002-of-00003.safetensors', 'model.safetensors.index.json'])(
    'a model without %s is not whole',
    async (file) => {
      const commit = hub.server.add(ID, { ...sharded(), 'pytorch_model.bin.index.json': '{"weight_map":{}}' })
      await open()
      unlinkSync(join(repo(), 'snapshots', commit, file))
      expect(await cachedModel(ID)).toBeUndefined()
      expect(await inputError(open({ offline: true }))).toMatch(/got no whole copy of revision "main"/)
    },
  )

  test('of weights in two formats, the whole one is used', async () => {
    // As Python left it: a shard of the format that goes first is missing.
    const commit = hub.server.add(ID, oracleFiles('mamba1-original'))
    await open()
    const index = join(repo(), 'snapshots', commit, 'model.safetensors.index.json')
    writeFileSync(index, '{"weight_map":{"a":"missing.safetensors"}}')
    expect((await cachedModel(ID))!.files).toEqual(['config.json', 'pytorch_model.bin'])
    const checkpoint = await openNamed(ID, { offline: true })
    expect(checkpoint.names()).toContain('backbone.embedding.weight')
    await checkpoint.close()
  })
})

describe('what is in the cache', () => {
  test('by id: the commit, the files, their size; makes no request', async () => {
    expect(await cachedModel(ID)).toBeUndefined()
    expect(await cachedModels()).toEqual([])
    const files = { ...mamba(), ...oracleFiles('mamba1-hf') }
    const commit = hub.server.add(ID, files)
    hub.server.add('gpt2', oracleFiles('gpt2'))
    await open()
    await (await openNamed('gpt2')).close()
    hub.server.asked.length = 0
    const bytes = files['config.json'].length + files['tokenizer.json']!.length + WEIGHT_BYTES
    expect(await cachedModel(ID)).toEqual({
      id: ID,
      commit,
      files: ['config.json', 'model.safetensors', 'tokenizer.json'],
      bytes,
    })
    expect((await cachedModels()).map(({ id }) => id)).toEqual(['gpt2', ID])
    expect(await cachedModel(ID, 'v1')).toBeUndefined()
    expect(await cachedModel(ID, commit)).toMatchObject({ commit })
    expect(await cachedModel('no/../id')).toBeUndefined()
    expect(hub.server.asked).toEqual([])
  })

  test('other folders, data sets and half models do not count', async () => {
    hub.server.add(ID, mamba())
    await open()
    for (const dir of ['.locks', 'datasets--a--b', 'models--a--b/refs', 'models--', 'version']) {
      mkdirSync(join(hub.home, 'hub', dir), { recursive: true })
    }
    writeFileSync(join(hub.home, 'hub', 'models--file'), '')
    const broken = join(hub.home, 'hub', 'models--c--d')
    mkdirSync(join(broken, 'refs'), { recursive: true })
    writeFileSync(join(broken, 'refs/main'), '0'.repeat(40))
    mkdirSync(join(broken, 'snapshots', '0'.repeat(40)), { recursive: true })
    for (const file of ['config.json', 'model.safetensors.index.json']) {
      writeFileSync(join(broken, 'snapshots', '0'.repeat(40), file), 'not JSON')
    }
    writeFileSync(join(hub.home, 'hub', 'models--a--b/refs/main'), '../../../evil')
    expect((await cachedModels()).map(({ id }) => id)).toEqual([ID])
  })
})

describe('links', () => {
  test('are relative: the cache can be moved', async () => {
    const commit = hub.server.add(ID, mamba())
    await open()
    for (const file of ['config.json', 'model.safetensors']) {
      expect(readlinkSync(join(repo(), 'snapshots', commit, file))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]+$/)
    }
  })

  test('where there are none, files are in their place, and nothing is downloaded twice', async () => {
    process.env.HF_HUB_DISABLE_SYMLINKS = '1'
    const commit = hub.server.add(ID, mamba())
    await open()
    const snapshot = join(repo(), 'snapshots', commit)
    for (const file of tree(snapshot)) expect(lstatSync(join(snapshot, file)).isSymbolicLink()).toBe(false)
    expect(readFileSync(join(snapshot, 'model.safetensors')).equals(weights())).toBe(true)
    hub.server.asked.length = 0
    await open()
    expect(hub.server.asked).toHaveLength(1)
  })

  test('where there are none, a blob that others may need is copied', async () => {
    hub.server.add(ID, mamba())
    await open()
    process.env.HF_HUB_DISABLE_SYMLINKS = '1'
    const commit = hub.server.add(ID, { ...mamba(), 'README.md': 'changed' })
    await open()
    expect(lstatSync(join(repo(), 'snapshots', commit, 'model.safetensors')).isSymbolicLink()).toBe(false)
    expect(tree(join(repo(), 'blobs'))).toHaveLength(3)
    expect(hub.server.downloads).toHaveLength(1)
  })
})

// The superuser may write anywhere.
test.skipIf(process.getuid?.() === 0)('a cache that may only be read serves what it has', async () => {
  const commit = hub.server.add(ID, mamba())
  await open({ revision: commit })
  const folders = [hub.home, 'hub', 'hub/models--owner--mamba'].map((dir) => join(hub.home, dir))
  for (const dir of folders) if (existsSync(dir)) chmodSync(dir, 0o555)
  try {
    await open()
    expect(existsSync(join(repo(), 'refs'))).toBe(false)
  } finally {
    for (const dir of folders) if (existsSync(dir)) chmodSync(dir, 0o755)
  }
})

describe.skipIf(!PYTHON)('Python (skipped where there is none with huggingface_hub)', () => {
  test('finds what we downloaded', async () => {
    const commit = hub.server.add(ID, mamba())
    await open()
    hub.server.asked.length = 0
    const folder = await python(
      `from huggingface_hub import snapshot_download; print(snapshot_download('${ID}', local_files_only=True))`,
      hub.env,
    )
    expect(folder).toBe(join(repo(), 'snapshots', commit))
    expect(hub.server.asked).toEqual([])
    const script = `
from huggingface_hub import hf_hub_download, scan_cache_dir, try_to_load_from_cache, _CACHED_NO_EXIST
print(hf_hub_download('${ID}', 'model.safetensors'))
info = scan_cache_dir()
print(len(info.warnings), [(r.repo_id, r.nb_files, [sorted(v.refs) for v in r.revisions]) for r in info.repos])`
    expect((await python(script, hub.env)).split('\n')).toEqual([
      join(folder, 'model.safetensors'),
      `0 [('${ID}', 3, [['main']])]`,
    ])
    expect(hub.server.downloads).toEqual([])
  })

  test('finds that a file does not exist', async () => {
    hub.server.add(ID, oracleFiles('mamba1-hf'))
    await open()
    const script = `
from huggingface_hub import try_to_load_from_cache, _CACHED_NO_EXIST
print(try_to_load_from_cache('${ID}', 'tokenizer.json') is _CACHED_NO_EXIST)`
    expect(await python(script, hub.env)).toBe('True')
  })

  test('downloads, and we find it: one question, or none when offline', async () => {
    const commit = hub.server.add(ID, mamba())
    const folder = await python(
      `from huggingface_hub import snapshot_download; print(snapshot_download('${ID}', token='hf_ok'))`,
      { ...hub.env, HF_HUB_DISABLE_XET: '1' },
    )
    expect(folder).toBe(join(repo(), 'snapshots', commit))
    expect(statSync(join(folder, 'model.safetensors')).size).toBe(WEIGHT_BYTES)
    hub.server.asked.length = 0
    await open()
    expect(hub.server.asked.map(({ path }) => path)).toEqual([`/api/models/${ID}/revision/main`])
    await open({ offline: true })
    expect(hub.server.asked).toHaveLength(1)
  })

  test.each([
    ['weights', ['model.safetensors'], ['config.json', 'tokenizer.json']],
    ['weights in another format', ['config.json', 'pytorch_model.bin'], ['tokenizer.json']],
  ])('has %s, and we fetch the rest', async (_, theirs, ours) => {
    hub.server.add(ID, { ...mamba(), ...oracleFiles('mamba1-original') })
    const script = `
from huggingface_hub import hf_hub_download
for file in ${JSON.stringify(theirs)}: hf_hub_download('${ID}', file)`
    await python(script, { ...hub.env, HF_HUB_DISABLE_XET: '1' })
    hub.server.asked.length = 0
    await open()
    expect(hub.server.files()).toEqual(ours)
  })

  test('and we agree on what can be an id', async () => {
    const names = [
      'foo',
      'foo/bar',
      '123',
      'Foo-BAR_foo.bar123',
      '.repo_id',
      'foo--bar',
      'foo.git',
      'a/b/c',
      '',
      'a/',
      '/a',
      '-a',
      'a-',
      'a..b',
      'a b',
      'é',
      'a\n',
      'a'.repeat(96),
      'a'.repeat(97),
      '_a_/_b_',
    ]
    const script = `
import json
from huggingface_hub.utils import validate_repo_id, HFValidationError
def valid(name):
    try:
        validate_repo_id(name)
        return True
    except HFValidationError:
        return False
print(json.dumps([valid(name) for name in json.loads(${JSON.stringify(JSON.stringify(names))})]))`
    const { isHubId } = await import('../../src/checkpoints/hub-id.js')
    expect(names.map(isHubId)).toEqual(JSON.parse(await python(script, hub.env)))
  })
})
