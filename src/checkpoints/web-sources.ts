/** Bytes in a browser: memory, and files that the user dropped or chose. */
import { InputError } from '../errors.js'
import type { ByteSource } from './source.js'

/** Bytes that are in memory. */
export class MemorySource implements ByteSource {
  constructor(
    readonly name: string,
    private readonly bytes: Uint8Array,
  ) {}

  get size(): number {
    return this.bytes.length
  }

  async read(offset: number, length: number, into = new Uint8Array(length)): Promise<Uint8Array> {
    into.set(this.bytes.subarray(offset, offset + length))
    return into
  }

  async close(): Promise<void> {}
}

/** A `Blob`, a `File` for instance, read by slices. */
export class BlobSource implements ByteSource {
  constructor(
    readonly name: string,
    private readonly blob: Blob,
  ) {}

  get size(): number {
    return this.blob.size
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const bytes = await readBlob(this.blob, this.name, offset, length)
    into?.set(bytes)
    return into ?? bytes
  }

  async close(): Promise<void> {}
}

/** @throws InputError when the file behind the blob has changed or is gone */
export async function readBlob(
  blob: Blob,
  name: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
  } catch (error) {
    const got = error instanceof Error ? error.name : String(error)
    throw new InputError(
      `${name}: must stay readable and unchanged while it is open, got ${got}; open it again`,
    )
  }
}
