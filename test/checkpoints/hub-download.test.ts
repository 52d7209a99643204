/** Downloads that are cut, resumed, wrong, shared with other processes, or have no room. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import type { DownloadProgress } from '../../src/checkpoints/hub-target.js'
import { type OpenOptions, openNamed } from '../../src/load.js'
import { testHub } from '../hub-server/environment.js'
import { mamba, WEIGHT_BYTES, weights } from '../hub-server/models.js'
import { sha } from '../hub-server/server.js'
import { inputError } from './helpers.js'

const hub = testHub()
const ID = 'owner/mamba'
const ETAG = sha('sha256', weights())
/** The path of the weights at the CDN. */
const LARGE = /^\/[0-9a-f]{64}$/

function blobs(): string {
  return join(hub.home, 'hub/models--owner--mamba/blobs')
}

/** The weights in the cache must be right. */
function expectWhole(): void {
  expect(readFileSync(join(blobs(), ETAG)).equals(weights())).toBe(true)
  expect(readdirSync(blobs()).filter((name) => name.endsWith('.incomplete'))).toEqual([])
}

async function open(options: OpenOptions = {}): Promise<void> {
  await (await openNamed(ID, options)).close()
}

/** The ranges that were asked for of the weights; undefined for all. */
function ranges(): (string | undefined)[] {
  return hub.server.downloads.map(({ headers }) => headers.range)
}

describe('a connection that breaks', () => {
  test('half way: the rest is fetched', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, cut: 100_000 })
    await open()
    expectWhole()
    const [first, second] = ranges()
    expect(first).toBeUndefined()
    const from = Number(/^bytes=(\d+)-$/.exec(second!)![1])
    expect(from).toBeGreaterThan(0)
    expect(from).toBeLessThanOrEqual(100_000)
    expect(ranges()).toHaveLength(2)
  })

  test('again and again: as long as it gets further', async () => {
    hub.server.add(ID, mamba())
    // More often than is tried without any progress.
    hub.server.fault({ path: LARGE, cut: 25_000, times: 6 })
    await open()
    expectWhole()
    expect(ranges().length).toBe(7)
  })

  test('and a server that does not serve parts: all is fetched again', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, cut: 100_000 })
    hub.server.fault({ path: LARGE, whole: true })
    const done: number[] = []
    await open({ onProgress: (progress) => done.push(progress.done) })
    expectWhole()
    expect(done.some((value, i) => i > 0 && value < done[i - 1]!)).toBe(true)
  })

  test('and a server that has less of it now: all is fetched again', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, cut: 100_000 })
    hub.server.fault({ path: LARGE, content: weights().subarray(0, 10) })
    await open()
    expectWhole()
    expect(ranges().map(Boolean)).toEqual([false, true, false])
  })

  test('of a small file', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: /resolve-cache.*tokenizer.json$/, cut: 10_000 })
    await open()
    expect(hub.server.asked.filter(({ headers }) => headers.range !== undefined)).not.toEqual([])
    expectWhole()
  })

  test('or stands still: is closed in time', async () => {
    process.env.HF_HUB_DOWNLOAD_TIMEOUT = '1'
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, stall: 50_000 })
    const begin = performance.now()
    await open()
    expect(performance.now() - begin).toBeGreaterThan(900)
    expectWhole()
    expect(ranges()).toHaveLength(2)
  })

  test('is not taken for one that stands still while something comes', async () => {
    process.env.HF_HUB_DOWNLOAD_TIMEOUT = '1'
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, slow: 550, pieceBytes: Math.ceil(WEIGHT_BYTES / 3) })
    await open()
    expectWhole()
    expect(ranges()).toHaveLength(1)
  })
})

describe('a server that is busy', () => {
  test.each([429, 500, 502, 503, 504])('with %d is asked again', async (status) => {
    hub.server.add(ID, mamba())
    for (const path of [/\/revision\//, /\/tree\//, /\/resolve\/.*safetensors/, LARGE]) {
      hub.server.fault({ path, status, headers: { 'retry-after': '0' } })
    }
    await open()
    expectWhole()
  })

  test('is asked again when it says so', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, status: 429, headers: { 'retry-after': '1' } })
    const begin = performance.now()
    const notes: string[] = []
    await open({ onNote: (note) => notes.push(note) })
    expect(performance.now() - begin).toBeGreaterThan(1000)
    expect(notes).toEqual([
      expect.stringMatching(/^owner\/mamba: 127.0.0.1:\d+ gives HTTP 429; asking again in 1 s$/),
    ])
    expectWhole()
  })

  test('for long is given up, and what has come stays', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, cut: 100_000 })
    hub.server.fault({ path: LARGE, status: 503, headers: { 'retry-after': '0' }, times: 100 })
    expect(await inputError(open())).toMatch(
      /^owner\/mamba: 127.0.0.1:\d+ must answer, got HTTP 503; try again later$/,
    )
    expect(ranges()).toHaveLength(1 + 5)
    expect(readdirSync(blobs()).filter((name) => name.includes(ETAG))).toEqual([`${ETAG}.incomplete`])
  })
})

describe('an attempt that was stopped', () => {
  /** Load until at least half of the weights is there, whatever has come of the other files. */
  async function stopped(): Promise<number> {
    hub.server.fault({ path: LARGE, slow: 20, pieceBytes: 16_384 })
    const control = new AbortController()
    const onProgress = ({ file, done, total }: DownloadProgress): void => {
      if (file === 'model.safetensors' && done > total - WEIGHT_BYTES / 2) control.abort()
    }
    await expect(open({ signal: control.signal, onProgress })).rejects.toMatchObject({ name: 'AbortError' })
    return readFileSync(join(blobs(), `${ETAG}.incomplete`)).length
  }

  test('leaves what has come, and the next goes on from there', async () => {
    hub.server.add(ID, mamba())
    const bytes = await stopped()
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(WEIGHT_BYTES)
    // Where the machine is busy the tokenizer, which came beside it, is not whole either.
    const partial = readdirSync(blobs()).filter((name) => name.endsWith('.incomplete'))
    const there = partial.reduce((sum, name) => sum + readFileSync(join(blobs(), name)).length, 0)
    hub.server.asked.length = 0
    const progress: DownloadProgress[] = []
    await open({ onProgress: (p) => progress.push(p) })
    expect(ranges()).toEqual([`bytes=${bytes}-`])
    expect(progress[0]!.done).toBe(there)
    expectWhole()
  })

  test('of another content: what is downloaded is deleted, and the next attempt begins anew', async () => {
    hub.server.add(ID, mamba())
    const bytes = await stopped()
    writeFileSync(join(blobs(), `${ETAG}.incomplete`), new Uint8Array(bytes))
    expect(await inputError(open())).toMatch(/must have the SHA-256 /)
    expect(existsSync(join(blobs(), `${ETAG}.incomplete`))).toBe(false)
    hub.server.asked.length = 0
    await open()
    expect(ranges()).toEqual([undefined])
    expectWhole()
  })

  test('that had all but the last step: nothing is fetched', async () => {
    hub.server.add(ID, mamba())
    mkdirSync(blobs(), { recursive: true })
    writeFileSync(join(blobs(), `${ETAG}.incomplete`), weights())
    await open()
    expect(hub.server.downloads).toEqual([])
    expectWhole()
  })

  test('before it began asks nothing', async () => {
    hub.server.add(ID, mamba())
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(hub.server.asked).toEqual([])
  })
})

describe('content that is wrong', () => {
  test.each([
    [
      'of a large file',
      LARGE,
      weights().map((byte) => byte ^ 1),
      /^owner\/mamba\/model.safetensors: must have the SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}: what was downloaded is deleted; /,
    ],
    [
      'of a large file, and more of it',
      LARGE,
      new Uint8Array(WEIGHT_BYTES + 1),
      /^owner\/mamba\/model.safetensors: must have 181752 bytes, got more: /,
    ],
    [
      'of a small file',
      /resolve-cache.*config.json/,
      new Uint8Array(mamba()['config.json']!.length),
      /^owner\/mamba\/config.json: must have the Git SHA-1 [0-9a-f]{40}, got [0-9a-f]{40}: /,
    ],
  ])('%s is refused, and the next attempt may be better', async (_, path, content, message) => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path, content })
    expect(await inputError(open())).toMatch(message)
    // Of the file itself nothing is left; others that were on their way may be there in part.
    const left = readdirSync(blobs()).filter((name) => name.startsWith(ETAG) && name.endsWith('.incomplete'))
    expect(left).toEqual([])
    await open()
    expectWhole()
  })

  test('in the cache, of another size, is fetched again', async () => {
    hub.server.add(ID, mamba())
    mkdirSync(blobs(), { recursive: true })
    writeFileSync(join(blobs(), ETAG), 'half of it')
    await open()
    expectWhole()
  })
})

describe('several at once', () => {
  test('in one process download it once', async () => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, slow: 20, pieceBytes: 32_768 })
    const notes: string[] = []
    await Promise.all(Array.from({ length: 4 }, () => open({ onNote: (note) => notes.push(note) })))
    for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
      const asked = hub.server.asked.filter(({ path }) => /\/resolve\//.test(path) && path.endsWith(file))
      expect(asked).toHaveLength(1)
    }
    expect(notes[0]).toMatch(/^owner\/mamba: [\w.]+ is being downloaded already; waiting for it$/)
    expectWhole()
  })

  test('of another machine: waits as long as that one is at work', async () => {
    hub.server.add(ID, mamba())
    mkdirSync(blobs(), { recursive: true })
    // Its clock is ahead of ours.
    const theirs = join(blobs(), `${ETAG}.zzzzzzzz-1-00@elsewhere.incomplete`)
    writeFileSync(theirs, 'x')
    await open({
      onNote: () => {
        writeFileSync(join(blobs(), ETAG), weights())
        rmSync(theirs)
      },
    })
    expect(hub.server.downloads).toEqual([])
    expectWhole()
  })

  const dead = spawnSync(process.execPath, ['-e', '']).pid
  test.each([
    ['of this machine that has died', `0-${dead}-00@${os.hostname()}`, 0],
    ['of another machine that was silent for long', '0-1-00@elsewhere', 100],
  ])('one %s: its part is taken over', async (_, owner, seconds) => {
    hub.server.add(ID, mamba())
    mkdirSync(blobs(), { recursive: true })
    const theirs = join(blobs(), `${ETAG}.${owner}.incomplete`)
    writeFileSync(theirs, weights().subarray(0, 150_000))
    const time = Date.now() / 1000 - seconds
    utimesSync(theirs, time, time)
    await open()
    expect(ranges()).toEqual(['bytes=150000-'])
    expectWhole()
  })

  // The superuser may write to any.
  test.skipIf(process.getuid?.() === 0)('of another user: their part cannot be used', async () => {
    hub.server.add(ID, mamba())
    mkdirSync(blobs(), { recursive: true })
    const theirs = join(blobs(), `${ETAG}.incomplete`)
    writeFileSync(theirs, weights().subarray(0, 150_000), { mode: 0o444 })
    await open()
    expect(ranges()).toEqual([undefined])
    expect(readFileSync(join(blobs(), ETAG)).equals(weights())).toBe(true)
  })

  test('Python among them: its own files are left alone', async () => {
    hub.server.add(ID, mamba())
    mkdirSync(blobs(), { recursive: true })
    writeFileSync(join(blobs(), `${ETAG}.1a2b3c4d.incomplete`), weights().subarray(0, 150_000))
    await open()
    expect(ranges()).toEqual([undefined])
    expect(existsSync(join(blobs(), `${ETAG}.1a2b3c4d.incomplete`))).toBe(true)
  })
})

describe('a disk', () => {
  test('without room for it: says so before anything is downloaded', async () => {
    hub.server.add(ID, mamba(), { sizes: { 'model.safetensors': 2 ** 52 } })
    expect(await inputError(open())).toMatch(
      /^owner\/mamba: .*blobs must have room for 4,503,599,\d{3} MB, got [\d,]+ MB; make room, or name another place with HF_HUB_CACHE$/,
    )
    expect(hub.server.downloads).toEqual([])
  })

  test('on which a file is in the way: says so', async () => {
    hub.server.add(ID, mamba())
    writeFileSync(join(hub.home, 'hub'), '')
    expect(await inputError(open())).toMatch(/hub.*: must be /)
  })
})
