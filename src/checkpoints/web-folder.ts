/** Checkpoints whose files lie below a URL, or were dropped onto the page. */
import { InputError } from '../errors.js'
import type { CheckpointFiles } from './checkpoint.js'
import { CONFIG, TOKENIZER } from './hub-files.js'
import type { ByteSource } from './source.js'
import { BlobSource, MemorySource } from './web-sources.js'

/** How much of a model has come. */
export interface WebProgress {
  /** The file that bytes have come of. */
  readonly file: string
  /** Bytes of all files that are there. */
  readonly done: number
  /** Bytes of all files, as far as known. */
  readonly total: number
}

export interface WebListener {
  readonly onProgress?: (progress: WebProgress) => void
  /** Stops a download. */
  readonly signal?: AbortSignal
}

/** The files of an embedded model, which are fetched at once. */
const EMBEDDED_FILES = [CONFIG, 'model.safetensors', TOKENIZER]

/**
 * A small model on a file host: each file is fetched once, whole.
 * @param base the folder that has a folder `name`
 */
export function embeddedFiles(name: string, base: string | URL, listener: WebListener): CheckpointFiles {
  const root = new URL(base, globalThis.location?.href)
  if (!root.pathname.endsWith('/')) root.pathname += '/'
  const url = (file: string): string => new URL(`${encodeURIComponent(name)}/${file}`, root).href
  const progress = new Map<string, { done: number; total: number }>()
  const onBytes = (file: string, done: number, total: number): void => {
    progress.set(file, { done, total })
    const all = [...progress.values()]
    listener.onProgress?.({
      file,
      done: all.reduce((sum, one) => sum + one.done, 0),
      total: all.reduce((sum, one) => sum + one.total, 0),
    })
  }
  const fetched = new Map<string, Promise<Uint8Array | undefined>>()
  const fetchOnce = (file: string): Promise<Uint8Array | undefined> => {
    let bytes = fetched.get(file)
    if (!bytes) {
      bytes = fetchWhole(url(file), listener.signal, (done, total) => onBytes(file, done, total))
      bytes.catch(() => undefined) // whoever opens it is told
      fetched.set(file, bytes)
    }
    return bytes
  }
  for (const file of EMBEDDED_FILES) void fetchOnce(file)
  return {
    name: url(''),
    path: url,
    async open(file) {
      const bytes = await fetchOnce(file)
      return bytes && new MemorySource(url(file), bytes)
    },
  }
}

/** A file, or undefined when there is none. */
async function fetchWhole(
  url: string,
  signal: AbortSignal | undefined,
  onBytes: (done: number, total: number) => void,
): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, { signal })
    if (response.status === 404) return undefined
    if (!response.ok) {
      throw new InputError(
        `${url}: the server must send the file, got HTTP ${response.status}; try again later`,
      )
    }
    const { headers, body } = response
    // The length is that of the compressed file, where it is one.
    const length = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0)
    const chunks: Uint8Array[] = []
    let done = 0
    onBytes(0, length)
    for (const reader = body!.getReader(); ; ) {
      const { value } = await reader.read()
      if (!value) break
      chunks.push(value)
      done += value.length
      onBytes(done, Math.max(done, length))
    }
    return joined(chunks, done)
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof TypeError)) throw error
    throw new InputError(
      `${url}: the server must be reachable, got ${error.message}; check the network and load the page again`,
    )
  }
}

export function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

/**
 * Files that were dropped or chosen: of a folder those beside its config.json; several folders of models are an error.
 * @throws InputError when there is no config.json, or more than one
 */
export function droppedFiles(files: Iterable<File>, name: string): CheckpointFiles {
  const all = [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
  const configs = all.filter(({ path }) => path === CONFIG || path.endsWith(`/${CONFIG}`))
  if (configs.length !== 1) {
    const got =
      configs.length === 0 ? 'none' : `${configs.length}: ${configs.map(({ path }) => path).join(', ')}`
    throw new InputError(
      `${name}: one ${CONFIG} must be among the files, got ${got}; choose the folder of one model`,
    )
  }
  const folder = configs[0]!.path.slice(0, -CONFIG.length)
  const byName = new Map(all.map(({ file, path }) => [path, file]))
  return {
    name,
    path: (file) => folder + file,
    async open(file): Promise<ByteSource | undefined> {
      const found = byName.get(folder + file)
      return found && new BlobSource(folder + file, found)
    },
  }
}
