/** What tells one model from another that has the same name: a hash over all that its answers depend on. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Checkpoint } from './checkpoint.js'
import { unreadable } from './node-file.js'

/** A file of weights and its hash, with what tells whether it has changed since. */
export interface HashedFile {
  readonly file: string
  /** Bytes. */
  readonly size: number
  /** Time of the last change, milliseconds since 1970. */
  readonly modified: number
  readonly sha256: string
}

export interface Fingerprint {
  /** SHA-256, in hex, over config, weights and tokenizer. */
  readonly sha256: string
  readonly weights: readonly HashedFile[]
}

export interface FingerprintOptions {
  /** Files that were hashed before. */
  readonly known?: readonly HashedFile[]
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/**
 * The fingerprint of a checkpoint: the same wherever its files lie, another one when a weight changes. Weight files are
 * read whole once; in the Hub's cache their hash is their name.
 * @throws InputError when a file cannot be read; the signal's reason when aborted
 */
export async function fingerprint(
  checkpoint: Checkpoint,
  { known = [], onProgress, signal }: FingerprintOptions = {},
): Promise<Fingerprint> {
  const total = checkpoint.bytes
  let done = 0
  const weights: HashedFile[] = []
  for (const file of checkpoint.weightFiles) {
    try {
      const { size, mtimeMs: modified } = await stat(file)
      const same = known.find((k) => k.file === file && k.size === size && k.modified === modified)
      const before = done
      const sha256 =
        same?.sha256 ??
        (await blobName(file)) ??
        (await hashFile(file, signal, (bytes) => onProgress?.({ done: before + bytes, total })))
      weights.push({ file, size, modified, sha256 })
      done += size
    } catch (error) {
      signal?.throwIfAborted()
      throw unreadable(file, error)
    }
  }
  const hash = createHash('sha256')
  hash.update(canonical(checkpoint.config))
  for (const { sha256 } of weights) hash.update(sha256)
  hash.update(canonical(await checkpoint.tokenizerJson()))
  return { sha256: hash.digest('hex'), weights }
}

/** The hash that a file of the Hub's cache is named after; undefined for other files. */
async function blobName(file: string): Promise<string | undefined> {
  const real = await realpath(file)
  const name = basename(real)
  return basename(dirname(real)) === 'blobs' && /^[0-9a-f]{64}$/.test(name) ? name : undefined
}

async function hashFile(
  file: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 22, signal })) {
    hash.update(chunk as Uint8Array)
    bytes += (chunk as Uint8Array).length
    onBytes(bytes)
  }
  return hash.digest('hex')
}

/** JSON with the keys of objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : typeof inner === 'number' && !Number.isFinite(inner)
        ? String(inner)
        : inner,
  )
}
