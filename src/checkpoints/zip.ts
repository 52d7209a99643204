/**
 * Zip archives read by position, as far as PyTorch writes them: the central directory is read once, and entries that
 * are stored without compression are ranges of the file. PKWARE APPNOTE.TXT 6.3.10; section numbers below are its.
 */
import { InputError, show } from '../errors.js'
import type { ByteSource } from './source.js'

export interface ZipEntry {
  readonly name: string
  /** Of the content, in bytes. */
  readonly size: number
  /** Where the entry's local header begins. */
  readonly headerAt: number
}

export interface ZipFile {
  /** In the order of the central directory. */
  names(): string[]
  has(name: string): boolean
  /** @throws InputError when there is no such entry, or it is compressed or encrypted. */
  entry(name: string): ZipEntry
  /** The position of an entry's first byte; its `size` bytes lie inside the file. @throws InputError when they do not. */
  dataStart(entry: ZipEntry): Promise<number>
}

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50

/** Fixed parts of the headers (4.3.7, 4.3.12, 4.3.16, 4.3.14, 4.3.15). */
const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const END_BYTES = 22
const END64_BYTES = 56
const LOCATOR64_BYTES = 20

const MAX_COMMENT_BYTES = 0xffff
/** In a 32-bit field: the value is in the zip64 extra field instead (4.4.1.4). */
const IN_ZIP64 = 0xffffffff

/** 16 MiB are about 200,000 tensors; a longer directory is not a model's. */
const MAX_DIRECTORY_BYTES = 2 ** 24

interface Directory {
  readonly at: number
  readonly size: number
  readonly count: number
}

interface DirectoryEntry extends ZipEntry {
  readonly compressedSize: number
  /** 0: stored (4.4.5). */
  readonly method: number
  readonly encrypted: boolean
}

/** Whether a file that begins with `bytes` is a zip archive. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && view(bytes).getUint32(0, true) === LOCAL
}

/**
 * Open a zip archive: reads its central directory. Does not close the source.
 *
 * @throws InputError when the archive is damaged.
 */
export async function openZip(source: ByteSource): Promise<ZipFile> {
  const directory = await findDirectory(source)
  const entries = await readDirectory(source, directory)
  return new OpenZip(source, directory.at, entries)
}

async function findDirectory(source: ByteSource): Promise<Directory> {
  const { name, size } = source
  const tailSize = Math.min(size, LOCATOR64_BYTES + END_BYTES + MAX_COMMENT_BYTES)
  const tail = view(await source.read(size - tailSize, tailSize))
  const end = endRecord(tail)
  if (end === undefined) {
    throw damaged(
      name,
      'the zip archive must end in its central directory, got an end without it (cut short?)',
    )
  }
  const endAt = size - tailSize + end
  const locator = end - LOCATOR64_BYTES
  const directory =
    locator >= 0 && tail.getUint32(locator, true) === LOCATOR64
      ? await directory64(source, Number(tail.getBigUint64(locator + 8, true)), endAt)
      : {
          at: tail.getUint32(end + 16, true),
          size: tail.getUint32(end + 12, true),
          count: tail.getUint16(end + 10, true),
        }
  if (directory.at + directory.size > endAt) {
    const got = `${directory.size} bytes from ${directory.at} on`
    throw damaged(name, `the central directory must lie before byte ${endAt}, got ${got}`)
  }
  if (directory.size > MAX_DIRECTORY_BYTES) {
    const rule = `the central directory must have at most ${MAX_DIRECTORY_BYTES} bytes`
    throw damaged(name, `${rule}, got ${directory.size}`)
  }
  return directory
}

/** The end record lies at the file's end, before a comment of the length that it says. */
function endRecord(tail: DataView): number | undefined {
  for (let at = tail.byteLength - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue
    if (at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength) return at
  }
  return undefined
}

async function directory64(source: ByteSource, at: number, endAt: number): Promise<Directory> {
  const fits = at + END64_BYTES <= endAt
  const record = fits ? view(await source.read(at, END64_BYTES)) : undefined
  if (record?.getUint32(0, true) !== END64) {
    throw damaged(source.name, `the zip64 end record must lie at byte ${at}, got none there`)
  }
  return {
    at: Number(record.getBigUint64(48, true)),
    size: Number(record.getBigUint64(40, true)),
    count: Number(record.getBigUint64(32, true)),
  }
}

async function readDirectory(
  source: ByteSource,
  directory: Directory,
): Promise<ReadonlyMap<string, DirectoryEntry>> {
  const bytes = await source.read(directory.at, directory.size)
  const header = view(bytes)
  const entries = new Map<string, DirectoryEntry>()
  let at = 0
  for (; at + CENTRAL_BYTES <= bytes.length && header.getUint32(at, true) === CENTRAL; ) {
    const nameEnd = at + CENTRAL_BYTES + header.getUint16(at + 28, true)
    const extraEnd = nameEnd + header.getUint16(at + 30, true)
    const next = extraEnd + header.getUint16(at + 32, true)
    if (next > bytes.length) break
    const name = new TextDecoder().decode(bytes.subarray(at + CENTRAL_BYTES, nameEnd))
    const [size, compressedSize, headerAt] = sizes(header, at, nameEnd, extraEnd)
    if (entries.has(name))
      throw damaged(source.name, `entries must have names of their own, got ${show(name)} twice`)
    entries.set(name, {
      name,
      size,
      compressedSize,
      headerAt,
      method: header.getUint16(at + 10, true),
      encrypted: (header.getUint16(at + 8, true) & 1) === 1,
    })
    at = next
  }
  if (at !== bytes.length || entries.size !== directory.count) {
    const rule = `the central directory must list ${directory.count} entries in ${bytes.length} bytes`
    throw damaged(source.name, `${rule}, got ${entries.size} in ${at}`)
  }
  return entries
}

/** Size, compressed size and position, of which the zip64 extra field (4.5.3) holds those that need more than 32 bits. */
function sizes(header: DataView, at: number, extraAt: number, extraEnd: number): number[] {
  const short = [24, 20, 42].map((field) => header.getUint32(at + field, true))
  for (let field = extraAt; field + 4 <= extraEnd; ) {
    let value = field + 4
    const end = value + header.getUint16(field + 2, true)
    if (header.getUint16(field, true) === 1 && end <= extraEnd) {
      return short.map((size) => {
        if (size !== IN_ZIP64 || value + 8 > end) return size
        value += 8
        return Number(header.getBigUint64(value - 8, true))
      })
    }
    field = end
  }
  return short
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function damaged(file: string, what: string): InputError {
  return new InputError(`${file}: ${what}; download it again`)
}

class OpenZip implements ZipFile {
  readonly #source: ByteSource
  readonly #dataEnd: number
  readonly #entries: ReadonlyMap<string, DirectoryEntry>

  constructor(source: ByteSource, dataEnd: number, entries: ReadonlyMap<string, DirectoryEntry>) {
    this.#source = source
    this.#dataEnd = dataEnd
    this.#entries = entries
  }

  names(): string[] {
    return [...this.#entries.keys()]
  }

  has(name: string): boolean {
    return this.#entries.has(name)
  }

  entry(name: string): ZipEntry {
    const entry = this.#entries.get(name)
    const file = this.#source.name
    if (!entry) throw damaged(file, `must hold the entry ${show(name)}, got an archive without it`)
    if (entry.method !== 0 || entry.encrypted || entry.compressedSize !== entry.size) {
      const got = entry.encrypted ? 'an encrypted one' : `a compressed one (method ${entry.method})`
      throw new InputError(
        `${file}: the entry ${show(name)} must be stored as it is, got ${got}; write the file with torch.save`,
      )
    }
    // Its local header has at least these bytes. (Where the data begins is looked up when it is needed.)
    if (!(entry.headerAt + LOCAL_BYTES + entry.size <= this.#dataEnd)) {
      const got = `${entry.size} bytes from ${entry.headerAt} on`
      throw damaged(file, `the entry ${show(name)} must lie before byte ${this.#dataEnd}, got ${got}`)
    }
    return entry
  }

  async dataStart({ name, size, headerAt }: ZipEntry): Promise<number> {
    const header = view(await this.#source.read(headerAt, LOCAL_BYTES))
    const begin = headerAt + LOCAL_BYTES + header.getUint16(26, true) + header.getUint16(28, true)
    if (header.getUint32(0, true) !== LOCAL || begin + size > this.#dataEnd) {
      const rule = `the entry ${show(name)} must begin with its header at byte ${headerAt} and end before ${this.#dataEnd}`
      throw damaged(this.#source.name, `${rule}, got other bytes`)
    }
    return begin
  }
}
