import { type FileHandle, open, stat } from 'node:fs/promises'
import { errorCode, InputError } from '../errors.js'
import type { ByteSource } from './source.js'

/** One call reads at most this many bytes: Node refuses 2 GiB and more. */
const CALL_BYTES = 2 ** 30

/**
 * Open a file on disk for positional reads.
 *
 * @throws InputError when there is no such file, when it is not a regular file, or when it may not be read.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const source = await openFileIfPresent(path)
  if (!source) throw new InputError(`${path}: the file must exist, got no such file; check the path`)
  return source
}

/** The same as `openFile`, but undefined when there is no such file. */
export async function openFileIfPresent(path: string): Promise<ByteSource | undefined> {
  try {
    // The kind comes first: to open a named pipe would wait for a writer.
    const stats = await stat(path)
    if (!stats.isFile()) {
      const kind = stats.isDirectory() ? 'a folder' : 'a device, pipe or socket'
      throw new InputError(`${path}: must be a file, got ${kind}; check the path`)
    }
    return new NodeFile(path, stats.size, await open(path, 'r'))
  } catch (error) {
    if (error instanceof InputError) throw error
    if (errorCode(error) === 'ENOENT') return undefined
    throw unreadable(path, error)
  }
}

/** The error for a path that the operating system does not let us read. */
export function unreadable(path: string, error: unknown): InputError {
  const code = errorCode(error)
  if (code === 'EACCES' || code === 'EPERM') {
    return new InputError(
      `${path}: must be readable, got permission denied (${code}); change its permissions`,
    )
  }
  return new InputError(`${path}: must be readable, got ${code}; check the path and the disk`)
}

class NodeFile implements ByteSource {
  readonly #handle: FileHandle

  constructor(
    readonly name: string,
    readonly size: number,
    handle: FileHandle,
  ) {
    this.#handle = handle
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    // Not zero-filled and not from Buffer's pool: every byte is written below, and offset 0 aligns any type.
    const bytes = into ?? new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    for (let done = 0; done < length; ) {
      const want = Math.min(length - done, CALL_BYTES)
      const { bytesRead } = await this.#handle
        .read(bytes, done, want, offset + done)
        .catch((error: unknown) => {
          throw unreadable(this.name, error)
        })
      if (bytesRead === 0) {
        const rule = `must hold at least ${offset + length} bytes`
        throw new InputError(
          `${this.name}: ${rule}, got ${offset + done}: it shrank while open; download it again`,
        )
      }
      done += bytesRead
    }
    return bytes
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
