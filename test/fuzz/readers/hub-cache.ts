/** The Hub's cache on disk, as somebody else may have left it: refs, snapshots, links, blobs, partial files. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import fc from 'fast-check'
import { openHubModel } from '../../../src/checkpoints/hub.js'
import { cachedModel, cachedModels } from '../../../src/checkpoints/hub-cache.js'
import { cachedDatasets } from '../../../src/checkpoints/hub-dataset.js'
import { restingBytes } from '../../../src/checkpoints/hub-partial.js'
import { ramp, safetensors } from '../../checkpoints/bytes.js'
import { newFolder, type Reader } from '../harness.js'
import { damagedJson, damagedText } from '../mutate.js'

const folder = newFolder('hub')
const cache = join(folder, 'hub')
const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const ETAG = 'b'.repeat(64)

const WEIGHTS = safetensors([ramp('x', [2])])

/** A name in the cache and what is there: a text, or a link. */
type Entry = {
  readonly path: string
  readonly text: string
  readonly link: boolean
}

const whole: readonly Entry[] = [
  { path: 'models--a--b/refs/main', text: COMMIT, link: false },
  { path: `models--a--b/snapshots/${COMMIT}/config.json`, text: '{"model_type":"mamba"}', link: false },
  {
    path: `models--a--b/snapshots/${COMMIT}/model.safetensors.index.json`,
    text: '{"weight_map":{"x":"a.safetensors"}}',
    link: false,
  },
  { path: `models--a--b/snapshots/${COMMIT}/a.safetensors`, text: `../../blobs/${ETAG}`, link: true },
  { path: 'datasets--a--d/refs/main', text: COMMIT, link: false },
  { path: `datasets--a--d/snapshots/${COMMIT}/train.jsonl`, text: '{}', link: false },
  { path: `datasets--a--d/.no_exist/${COMMIT}/README.md`, text: '', link: false },
  { path: `models--a--b/blobs/${ETAG}.incomplete`, text: 'part', link: false },
]

const contents = fc.oneof(
  damagedText([COMMIT, `${COMMIT}\n`, 'main', '../../../etc']),
  damagedJson([{ weight_map: { x: 'a.safetensors' } }], ['../a.safetensors', '..', 'a\n.safetensors']),
)
const changes = fc.array(
  fc.record({
    entry: fc.nat(whole.length - 1),
    text: contents,
    link: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
    rename: fc.oneof(
      { weight: 4, arbitrary: fc.constant('') },
      damagedText(whole.map(({ path }) => path)).map((path) => path.slice(0, 200)),
    ),
  }),
  { maxLength: 3 },
)

export const reader: Reader<readonly Entry[]> = {
  name: 'hub-cache',
  folder,
  inputs: changes.map((all) => {
    const entries = [...whole]
    for (const { entry, text, link, rename } of all) {
      entries[entry] = { path: rename === '' ? whole[entry]!.path : rename, text, link }
    }
    return entries
  }),
  open: async () => {
    process.env.HF_HUB_CACHE = cache
  },
  close: async () => rmSync(folder, { recursive: true, force: true }),
  async read(entries) {
    rmSync(cache, { recursive: true, force: true })
    mkdirSync(join(cache, 'models--a--b', 'blobs'), { recursive: true })
    writeFileSync(join(cache, 'models--a--b', 'blobs', ETAG), WEIGHTS)
    for (const { path, text, link } of entries) put(path, text, link)
    await cachedModels()
    await cachedDatasets()
    await restingBytes(join(cache, 'models--a--b', 'blobs', ETAG))
    const model = await cachedModel('a/b')
    if (!model) return
    for (const file of model.files)
      if (/[/\\]/.test(file)) throw new Error(`a file outside its folder: ${file}`)
    const files = {
      id: 'a/b',
      folder: join(cache, 'models--a--b', 'snapshots', model.commit),
      files: model.files,
    }
    const checkpoint = await openHubModel(files)
    await checkpoint.close()
  },
}

/** What the disk does not take is not there. */
function put(path: string, text: string, link: boolean): void {
  const file = join(cache, path)
  if (!file.startsWith(`${cache}/`)) return
  try {
    mkdirSync(dirname(file), { recursive: true })
    if (link) symlinkSync(text, file)
    else writeFileSync(file, text)
  } catch {}
}
