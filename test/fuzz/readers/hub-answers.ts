/** What a Hub, or whoever answers in its place, says of a model: its commit and its files. */
import fc from 'fast-check'
import { dataFiles, splitOf } from '../../../src/checkpoints/hub-dataset.js'
import { weightFiles } from '../../../src/checkpoints/hub-files.js'
import { HUB_ENDPOINT, HubClient, type HubConnection, HubError } from '../../../src/checkpoints/hub-http.js'
import { isHubId } from '../../../src/checkpoints/hub-id.js'
import { commitOf, filesOf } from '../../../src/checkpoints/hub-repo.js'
import { type Reader, Rejected } from '../harness.js'
import { damagedJson, damagedText } from '../mutate.js'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const LFS = { oid: 'a'.repeat(64), size: 10, pointerSize: 100 }
const INFO = {
  _id: '1',
  id: 'a/b',
  sha: COMMIT,
  private: false,
  gated: false,
  downloads: 1,
  likes: 1,
  lastModified: '2026-01-01T00:00:00.000Z',
}
const TREE = [
  { type: 'file', path: 'config.json', size: 3, oid: COMMIT },
  { type: 'file', path: 'model.safetensors', size: 3, oid: COMMIT, lfs: LFS },
  { type: 'directory', path: 'data', size: 0, oid: COMMIT },
  { type: 'file', path: 'data/train-00000-of-00001.parquet', size: 3, oid: COMMIT, lfs: LFS },
]
const PATHS = [
  '../../x',
  '/etc/passwd',
  'data/../../x.parquet',
  'data/.x.parquet',
  'a\\b.json',
  'train.csv',
  'x\n.jsonl',
  '',
]

const headers = fc.dictionary(
  fc.constantFrom(
    'link',
    'x-error-code',
    'x-error-message',
    'retry-after',
    'content-type',
    'x-linked-etag',
    'content-length',
  ),
  damagedText([
    '<https://huggingface.co/api/models/a/b/tree/main?cursor=x>; rel="next"',
    'GatedRepo',
    '1',
    'text/html',
  ]).map((text) => text.replace(/[^\x20-\x7e]/g, '')),
  { maxKeys: 2 },
)
const answer = (seeds: readonly unknown[], values: readonly unknown[]) =>
  fc.record({
    status: fc.oneof(
      { weight: 20, arbitrary: fc.constant(200) },
      fc.constantFrom(204, 301, 401, 403, 404, 416, 429, 500, 503),
    ),
    headers,
    body: fc.oneof(
      { weight: 10, arbitrary: damagedJson(seeds, values) },
      fc.constantFrom('', '<html>sign in</html>', '\0'),
    ),
  })

type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A question may be asked more than once, but not for ever. */
const MOST_REQUESTS = 20

const CONNECTION: HubConnection = {
  ...{
    endpoint: HUB_ENDPOINT,
    token: 'hf_secret',
    tokenSource: 'HF_TOKEN',
    requestTimeout: 1000,
    downloadTimeout: 1000,
  },
  advice: {
    ...{ revision: '--revision', endpoint: 'HF_ENDPOINT', giveToken: 'a', giveOwnToken: 'b', timeout: 'c' },
    network: () => 'd',
  },
}

export const reader: Reader<{ readonly info: Answer; readonly tree: Answer; readonly index: string }> = {
  name: 'hub-answers',
  inputs: fc.record({
    info: answer([INFO], [COMMIT]),
    tree: answer([TREE], [...PATHS, LFS]),
    index: damagedJson([{ weight_map: { x: 'a.safetensors', y: '../b.safetensors' } }]),
  }),
  async read({ info, tree, index }) {
    let requests = 0
    const real = globalThis.fetch
    globalThis.fetch = async (input, init) => {
      const url = new URL(String(input))
      if (++requests > MOST_REQUESTS) throw new Error(`asked ${MOST_REQUESTS} times`)
      const token = new Headers(init?.headers).get('authorization')
      if (token !== null && url.origin !== HUB_ENDPOINT) throw new Error(`sent the token to ${url.origin}`)
      const { status, headers, body } = url.pathname.includes('/tree/') ? tree : info
      // A list goes on once: whoever asks for the rest gets the last page.
      const { link, ...last } = headers
      const more = requests <= 2 && link !== undefined ? { ...last, link } : last
      return new Response(status === 204 ? null : body, { status, headers: more })
    }
    try {
      const client = new HubClient(CONNECTION, { patient: false })
      for (const type of ['model', 'dataset'] as const) {
        const repo = { type, id: 'a/b' }
        await commitOf(client, repo, 'main')
        const files = await filesOf(client, repo, COMMIT)
        for (const path of dataFiles(files.keys())) {
          if (/(^|[/\\])\.\.?([/\\]|$)|^[/\\]|\\/.test(path)) throw new Error(`would write to ${path}`)
          splitOf(path)
        }
        const weights = await weightFiles(
          (file) => {
            if (/[/\\]/.test(file) || file === '..') throw new Error(`would write to ${file}`)
            return file !== 'model.safetensors'
          },
          async () => index,
          (file) => file,
        )
        void weights
      }
      isHubId(index.slice(0, 100))
    } catch (error) {
      // What `explained` makes an InputError of.
      if (error instanceof HubError) throw new Rejected(`${error.host}: must answer, got ${error.what}; wait`)
      throw error
    } finally {
      globalThis.fetch = real
    }
  },
}
