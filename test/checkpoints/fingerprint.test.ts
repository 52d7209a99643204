import { cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Fingerprint, type FingerprintOptions, fingerprint } from '../../src/checkpoints/fingerprint.js'
import { openFolder } from '../../src/checkpoints/folder.js'

const MODEL = join(import.meta.dirname, '..', '..', 'models', 'tiny-gpt2')

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-fingerprint-'))
  await cp(MODEL, join(dir, 'model'), { recursive: true })
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

async function of(folder = join(dir, 'model'), options: FingerprintOptions = {}): Promise<Fingerprint> {
  const checkpoint = await openFolder(folder)
  try {
    return await fingerprint(checkpoint, options)
  } finally {
    await checkpoint.close()
  }
}

describe('the fingerprint of a model', () => {
  it('is the same wherever it lies, and under any order of keys', async () => {
    const file = join(dir, 'model', 'config.json')
    const config = JSON.parse(await readFile(file, 'utf8')) as object
    await writeFile(file, JSON.stringify(Object.fromEntries(Object.entries(config).reverse())))
    expect((await of()).sha256).toBe((await of(MODEL)).sha256)
  })

  it('changes with a single bit of a weight, with the config and with the tokenizer', async () => {
    const seen = new Set([(await of()).sha256])
    const weights = join(dir, 'model', 'model.safetensors')
    const bytes = await readFile(weights)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(weights, bytes)
    seen.add((await of()).sha256)
    for (const name of ['config.json', 'tokenizer.json']) {
      const file = join(dir, 'model', name)
      const json = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
      await writeFile(file, JSON.stringify({ ...json, note: 'changed' }))
      seen.add((await of()).sha256)
    }
    expect(seen.size).toBe(4)
  })

  it('takes what it hashed before for files whose size and time have stayed', async () => {
    const first = await of()
    const [weights] = first.weights
    const other = { ...weights!, sha256: 'f'.repeat(64) }
    expect((await of(undefined, { known: [other] })).weights[0]!.sha256).toBe(other.sha256)
    await utimes(weights!.file, new Date(), new Date(weights!.modified + 5000))
    expect((await of(undefined, { known: [other] })).sha256).toBe(first.sha256)
  })

  it('refuses a file in the cache of the Hub that is not what it is named after', async () => {
    const { weights, sha256 } = await of()
    const file = join(dir, 'model', 'model.safetensors')
    await mkdir(join(dir, 'blobs'))
    const blob = join(dir, 'blobs', weights[0]!.sha256)
    await cp(file, blob)
    await rm(file)
    await symlink(blob, file)
    expect((await of()).sha256).toBe(sha256)
    const bytes = await readFile(blob)
    bytes[bytes.length - 1]! ^= 1
    await writeFile(blob, bytes)
    await expect(of()).rejects.toThrow(
      new RegExp(
        `model.safetensors: must have the SHA-256 ${weights[0]!.sha256} that it is named after, got`,
      ),
    )
  })

  it('shows how far it is, and stops when told to', async () => {
    const seen: number[] = []
    const { weights } = await of(undefined, { onProgress: ({ done, total }) => seen.push(done / total) })
    expect(seen.at(-1)).toBe(1)
    expect(weights[0]!.size).toBeGreaterThan(1e6)
    const stopped = of(undefined, { signal: AbortSignal.abort(new Error('enough')) })
    await expect(stopped).rejects.toThrow('enough')
  })

  it('names a file that cannot be read', async () => {
    const checkpoint = await openFolder(join(dir, 'model'))
    await rm(join(dir, 'model', 'model.safetensors'))
    await expect(fingerprint(checkpoint)).rejects.toThrow(/model\.safetensors: must be readable, got ENOENT/)
    await checkpoint.close()
  })
})
