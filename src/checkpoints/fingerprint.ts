/** What tells one model from another that has the same name: a hash over all that its answers depend on. */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { InputError } from '../errors.js'
import { blobName, sha256Of } from './blob-hash.js'
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
 * read whole once.
 * @throws InputError when a file cannot be read, or is in the Hub's cache and not what it is named after; the signal's
 *   reason when aborted
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
      const onBytes = (bytes: number): void => onProgress?.({ done: before + bytes, total })
      const sha256 = same?.sha256 ?? (await sha256Of(file, { signal, onBytes }))
      const name = same ? undefined : await blobName(file)
      if (name?.length === 64 && name !== sha256) {
        throw new InputError(
          `${file}: must have the SHA-256 ${name} that it is named after, got ${sha256}; factflow download ${checkpoint.name} --verify brings it anew`,
        )
      }
      weights.push({ file, size, modified, sha256 })
      done += size
    } catch (error) {
      signal?.throwIfAborted()
      throw error instanceof InputError ? error : unreadable(file, error)
    }
  }
  const hash = createHash('sha256')
  hash.update(canonical(checkpoint.config))
  for (const { sha256 } of weights) hash.update(sha256)
  hash.update(canonical(await checkpoint.tokenizerJson()))
  return { sha256: hash.digest('hex'), weights }
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
