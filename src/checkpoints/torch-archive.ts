/** The two containers of torch.save, torch/serialization.py: an object, and the bytes of the storages beside it. */
import { InputError, show } from '../errors.js'
import type { ByteSource } from './source.js'
import type { Storage } from './torch-globals.js'
import { damagedPickle, MAX_PICKLE_BYTES, type Unpickled, unpickle } from './torch-pickle.js'
import { openZip } from './zip.js'

export interface TorchArchive {
  /** What was saved: as of `unpickle`. */
  readonly object: unknown
  /** @throws InputError when the file cannot hold the whole storage. */
  check(storage: Storage): void
  /** The position of a storage that passed `check`. @throws InputError when the file denies that it is there. */
  dataStart(storage: Storage): Promise<number>
}

const OTHER_ORDER = 'save it again on a little-endian machine'

function byteSize({ length, dtype }: Storage): number {
  return length * dtype.bytes
}

function damaged(file: string, what: string): InputError {
  return new InputError(`${file}: ${what}; download it again`)
}

/** As of PyTorch 1.6 (`_save`): a zip archive of `data.pkl`, `byteorder` and `data/<key>`, all in one folder. */
export async function openZipArchive(source: ByteSource): Promise<TorchArchive> {
  const file = source.name
  const zip = await openZip(source)
  const content = async (name: string): Promise<Uint8Array> => {
    const entry = zip.entry(name)
    if (entry.size > MAX_PICKLE_BYTES) {
      throw damaged(file, `${show(name)} must have at most ${MAX_PICKLE_BYTES} bytes, got ${entry.size}`)
    }
    return source.read(await zip.dataStart(entry), entry.size)
  }

  // The folder is named after the file, and it is the only one.
  const folder = /^[^/]+\//.exec(zip.names()[0] ?? '')?.[0] ?? ''
  if (zip.has(`${folder}byteorder`)) {
    const order = new TextDecoder().decode(await content(`${folder}byteorder`))
    if (order !== 'little') {
      throw new InputError(`${file}: its byte order must be little, got ${show(order)}; ${OTHER_ORDER}`)
    }
  }
  const pickle = unpickle(await content(`${folder}data.pkl`), 0, file)
  if (!pickle) throw damagedPickle(file, 'one that is cut short')
  const entryOf = (storage: Storage) => zip.entry(`${folder}data/${storage.key}`)
  return {
    object: pickle.value,
    check(storage) {
      const size = byteSize(storage)
      const entry = entryOf(storage)
      // It may be longer: its size need not be a multiple of the dtype's.
      if (entry.size < size) {
        throw damaged(file, `the entry ${show(entry.name)} must have ${size} bytes, got ${entry.size}`)
      }
    },
    dataStart: (storage) => zip.dataStart(entryOf(storage)),
  }
}

/** The number that every file of `_legacy_save` begins with, 0x1950a86a20f9469cfc6c: its length and its bytes. */
const MAGIC = [10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
const VERSION = 1001

/** Each storage is its number of values, an int64, and the values. */
const COUNT_BYTES = 8

/**
 * Before PyTorch 1.6 (`_legacy_save`): five pickles, one after the other (magic number, version of the format, facts
 * about the system, the object, the keys of the storages in their order), and the storages.
 */
export async function openLegacyArchive(source: ByteSource): Promise<TorchArchive> {
  const file = source.name
  const head = new Head(source)
  await head.next()
  if (!head.endsWith(MAGIC)) {
    const got = 'a pickle of something else'
    throw new InputError(`${file}: must be a file of torch.save, got ${got}; use the model as safetensors`)
  }
  const { value: version } = await head.next()
  if (version !== VERSION) throw damaged(file, `its format must have version ${VERSION}, got another one`)
  const { value: system } = await head.next()
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    throw new InputError(`${file}: its byte order must be little, got another one; ${OTHER_ORDER}`)
  }
  const { value: object, storages } = await head.next()
  const { value: keys } = await head.next()
  if (!Array.isArray(keys)) throw damagedPickle(file, 'one without a list of storages')

  const starts = new Map<string, number>()
  let at = head.at
  for (const key of keys) {
    const storage = storages.get(key)
    if (!storage || starts.has(storage.key)) throw damagedPickle(file, 'one with a wrong list of storages')
    starts.set(storage.key, at)
    at += COUNT_BYTES + byteSize(storage)
  }
  if (at > source.size) {
    throw damaged(
      file,
      `its storages must end inside the file, at byte ${at}, got ${source.size} bytes (cut short?)`,
    )
  }
  return {
    object,
    check(storage) {
      // A record without data may be mentioned with several sizes; it has the first one.
      if (!starts.has(storage.key) || byteSize(storage) > byteSize(storages.get(storage.key)!)) {
        throw damagedPickle(file, `one with storage ${show(storage.key)} in no place, or too small a one`)
      }
    },
    async dataStart({ key }) {
      const start = starts.get(key)!
      const bytes = await source.read(start, COUNT_BYTES)
      const count = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
      const { length } = storages.get(key)!
      if (count !== BigInt(length)) {
        throw damaged(file, `storage ${show(key)} must have ${length} values, got ${count}`)
      }
      return start + COUNT_BYTES
    },
  }
}

/** Read at first; twice as much as often as that is too little. */
const FIRST_BYTES = 2 ** 16

/** The pickles that a file begins with, read as far as they go. */
class Head {
  readonly #source: ByteSource
  #bytes = new Uint8Array()
  /** Where the last pickle ended. */
  at = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  async next(): Promise<Unpickled> {
    const { name, size } = this.#source
    for (;;) {
      const pickle = unpickle(this.#bytes, this.at, name)
      if (pickle) {
        this.at = pickle.end
        return pickle
      }
      const have = this.#bytes.length
      if (have === size) throw damagedPickle(name, 'one that is cut short')
      if (have >= MAX_PICKLE_BYTES) throw damagedPickle(name, `one without an end in ${have} bytes`)
      const bytes = new Uint8Array(Math.min(size, Math.max(FIRST_BYTES, 2 * have)))
      bytes.set(this.#bytes)
      bytes.set(await this.#source.read(have, bytes.length - have), have)
      this.#bytes = bytes
    }
  }

  /** Whether the last pickle ended with these bytes (and its opcode STOP). */
  endsWith(expected: readonly number[]): boolean {
    const last = this.#bytes.subarray(0, this.at - 1).slice(-expected.length)
    return expected.every((byte, i) => byte === last[i])
  }
}
