/** Hashes of files; in the Hub's cache a file is named after its own. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

export interface HashOptions {
  /** Told how many bytes have been read. */
  readonly onBytes?: (bytes: number) => void
  readonly signal?: AbortSignal
}

/** The hash that a file of the Hub's cache is named after, SHA-256 or Git's SHA-1, in hex; undefined for others. */
export async function blobName(file: string): Promise<string | undefined> {
  const real = await realpath(file)
  const name = basename(real)
  return basename(dirname(real)) === 'blobs' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name) ? name : undefined
}

/** SHA-256 of a file, in hex. */
export function sha256Of(file: string, options: HashOptions = {}): Promise<string> {
  return hashed(file, 'sha256', '', options)
}

/** Git's SHA-1 of a file, in hex: over a header, too (git hash-object). */
export async function gitHashOf(file: string, options: HashOptions = {}): Promise<string> {
  return hashed(file, 'sha1', `blob ${(await stat(file)).size}\0`, options)
}

async function hashed(
  file: string,
  algorithm: 'sha256' | 'sha1',
  header: string,
  { onBytes, signal }: HashOptions,
): Promise<string> {
  const hash = createHash(algorithm).update(header)
  let bytes = 0
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 22, signal })) {
    hash.update(chunk as Uint8Array)
    bytes += (chunk as Uint8Array).length
    onBytes?.(bytes)
  }
  return hash.digest('hex')
}

/** What is wrong with a file of the Hub's cache, as `rule, got value`; undefined where nothing is, or nothing is known. */
export async function damageOfBlob(file: string, options: HashOptions = {}): Promise<string | undefined> {
  const name = await blobName(file)
  if (name === undefined) return undefined
  const isSha256 = name.length === 64
  const got = await (isSha256 ? sha256Of : gitHashOf)(file, options)
  return got === name ? undefined : `must have the ${isSha256 ? 'SHA-256' : 'Git SHA-1'} ${name}, got ${got}`
}
