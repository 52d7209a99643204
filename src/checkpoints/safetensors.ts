/**
 * The safetensors format: 8 bytes of header length, little-endian; the header, JSON; the tensors' bytes, row-major,
 * little-endian, without holes. https://github.com/huggingface/safetensors#format
 *
 * The header is checked as strictly as by the reference implementation (safetensors/src/tensor.rs), so a file that
 * opens is whole; only a dtype that nobody knows is left until the tensor is read.
 */
import { InputError, show } from '../errors.js'
import { FLOAT_BYTES, floatDtype } from './dtype.js'
import { decodeText, duplicateKey, isLfsPointer, isObject, lfsError, parseJson } from './json.js'
import { readFloats } from './read-floats.js'
import type { ByteSource } from './source.js'
import type { TensorFile, TensorInfo } from './tensor-file.js'

/** A tensor's place: `begin` and `end` count from the end of the header. */
interface Entry extends TensorInfo {
  readonly name: string
  readonly begin: number
  readonly end: number
}

/** The length field itself. */
const LENGTH_BYTES = 8

/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000

/**
 * Open a safetensors file: reads and checks its header. The source is closed with the file, and when this throws.
 *
 * @throws InputError naming the file, the tensor and the rule when the file is not whole or not valid.
 */
export async function openSafetensors(source: ByteSource): Promise<TensorFile> {
  try {
    const header = await readHeader(source)
    const entries = parseEntries(header, source.name)
    const dataStart = LENGTH_BYTES + header.length
    checkRanges(entries, source.size - dataStart, source.name)
    return new OpenFile(source, dataStart, entries)
  } catch (error) {
    await source.close()
    throw error
  }
}

async function readHeader(source: ByteSource): Promise<Uint8Array> {
  const { name, size } = source
  if (size < LENGTH_BYTES) {
    throw damaged(name, `must begin with ${LENGTH_BYTES} bytes of header length, got ${size} bytes in all`)
  }
  const first = await source.read(0, LENGTH_BYTES)
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true)
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, size - LENGTH_BYTES))) {
    if (isLfsPointer(await source.read(0, Math.min(size, 64)))) throw lfsError(name)
    const limit =
      length > MAX_HEADER_BYTES ? `the format's ${MAX_HEADER_BYTES} bytes` : `the file's ${size} bytes`
    throw damaged(name, `the header must fit in ${limit}, got a header length of ${length}`)
  }
  const header = await source.read(LENGTH_BYTES, Number(length))
  // Also refuses an empty header, and a byte order mark, which a text decoder would drop.
  if (header[0] !== '{'.charCodeAt(0)) {
    throw damaged(
      name,
      `the header must begin with "{", got ${length === 0n ? 'no header' : `byte ${header[0]}`}`,
    )
  }
  return header
}

/** The tensors of a header, in the order in which they lie in the file. */
function parseEntries(bytes: Uint8Array, file: string): Entry[] {
  const where = `${file} (its header)`
  const text = decodeText(bytes, where)
  // It begins with "{": what parses is an object.
  const header = parseJson(text, where) as Record<string, unknown>
  const twice = duplicateKey(text)
  if (twice !== undefined) throw damaged(file, `header keys must be unique, got ${show(twice)} twice`)

  const { __metadata__: metadata = {}, ...tensors } = header
  if (!isObject(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw damaged(file, `__metadata__ must be an object of strings, got ${show(metadata)}`)
  }
  return Object.entries(tensors)
    .map(([name, value]) => parseEntry(name, value, file))
    .sort((a, b) => a.begin - b.begin || a.end - b.end)
}

function parseEntry(name: string, value: unknown, file: string): Entry {
  const fail = (rule: string, got: unknown) =>
    damaged(file, `tensor ${show(name)}: ${rule}, got ${show(got)}`)
  if (!isObject(value)) throw fail('must be an object', value)
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string') throw fail('dtype must be a string', dtype)
  if (!isSizes(shape)) throw fail('shape must be a list of whole numbers from 0 on', shape)
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw fail('data_offsets must be two whole numbers from 0 on', offsets)
  }
  const [begin, end] = offsets
  if (end < begin) throw fail('data_offsets must not end before they begin', offsets)
  const bits = bitsPerValue(dtype)
  // Products beyond 2^53 are inexact, or NaN (infinity times 0), but then nowhere near the size of a file.
  if (bits !== undefined && product(shape) * bits !== (end - begin) * 8) {
    throw fail(`${dtype} of shape ${show(shape)} must take as many bytes as data_offsets span`, offsets)
  }
  return { name, dtype, shape, begin, end }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

/** All types of the format are named after their size (F6_E2M3, BF16, I64...), BOOL apart. */
function bitsPerValue(dtype: string): number | undefined {
  if (dtype === 'BOOL') return 8
  const bits = /^(?:F|BF|I|U|C)(\d+)(?:_|$)/.exec(dtype)?.[1]
  return bits === undefined ? undefined : Number(bits)
}

/** Every byte after the header belongs to exactly one tensor. `entries` are in file order. */
function checkRanges(entries: readonly Entry[], dataBytes: number, file: string): void {
  const last = entries.reduce((a, b) => (b.end > a.end ? b : a), { name: '', end: 0 })
  if (last.end > dataBytes) {
    const rule = `tensor ${show(last.name)} must end inside the file, at byte ${last.end} after the header`
    throw damaged(file, `${rule}, got only ${dataBytes} bytes there (cut short?)`)
  }
  let at = 0
  for (const { name, begin, end } of entries) {
    if (begin !== at) {
      const wrong = begin < at ? 'an overlap' : 'a hole'
      throw damaged(
        file,
        `tensor ${show(name)} must begin where the one before it ends, at ${at}, got ${begin}: ${wrong}`,
      )
    }
    at = end
  }
  if (at !== dataBytes) {
    throw damaged(
      file,
      `the tensors must fill the ${dataBytes} bytes after the header, got ${at} bytes of tensors`,
    )
  }
}

function damaged(file: string, what: string): InputError {
  return new InputError(`${file}: ${what}; download it again`)
}

class OpenFile implements TensorFile {
  readonly #source: ByteSource
  readonly #dataStart: number
  readonly #entries: ReadonlyMap<string, Entry>

  constructor(source: ByteSource, dataStart: number, entries: readonly Entry[]) {
    this.#source = source
    this.#dataStart = dataStart
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]))
  }

  get name(): string {
    return this.#source.name
  }

  get bytes(): number {
    return this.#source.size
  }

  names(): string[] {
    return [...this.#entries.keys()]
  }

  has(tensor: string): boolean {
    return this.#entries.has(tensor)
  }

  info(tensor: string): TensorInfo {
    const { dtype, shape } = this.#entry(tensor)
    return { dtype, shape }
  }

  async read(tensor: string, into?: Float32Array): Promise<Float32Array> {
    const entry = this.#entry(tensor)
    return this.#values(entry, 0, product(entry.shape), into)
  }

  async rows(tensor: string, first: number, count: number, into?: Float32Array): Promise<Float32Array> {
    const entry = this.#entry(tensor)
    const [rows, ...row] = entry.shape
    if (!isSizes([first, count]) || !(first + count <= rows)) {
      throw new Error(
        `safetensors rows: ${show(tensor)} has shape [${entry.shape}], got ${count} rows from ${first}`,
      )
    }
    return this.#values(entry, first * product(row), count * product(row), into)
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  #entry(tensor: string): Entry {
    const entry = this.#entries.get(tensor)
    if (!entry) {
      throw new InputError(
        `${this.name}: must hold the tensor ${show(tensor)}, got a file without it; check that it is the right model`,
      )
    }
    return entry
  }

  async #values(entry: Entry, first: number, count: number, into?: Float32Array): Promise<Float32Array> {
    const dtype = floatDtype(entry.dtype, entry.name, this.name)
    const begin = this.#dataStart + entry.begin + first * FLOAT_BYTES[dtype]
    return readFloats(this.#source, dtype, begin, count, into)
  }
}
