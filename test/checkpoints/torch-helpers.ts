/** Builds zip archives, pickles and files of torch.save, byte by byte. Shares no code with src/checkpoints. */
import { concat, MemorySource } from './bytes.js'

const encoder = new TextEncoder()

/** Little-endian fields: [value, bytes]. */
function fields(...values: readonly (readonly [number, number])[]): Uint8Array {
  return concat(
    values.map(([value, size]) =>
      Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256),
    ),
  )
}

export interface RawEntry {
  readonly name: string
  readonly bytes: Uint8Array
  readonly method?: number
  readonly flags?: number
}

export interface ZipOptions {
  /** Sizes and positions in zip64 fields, as in an archive of more than 4 GiB. */
  readonly zip64?: boolean
  readonly comment?: string
  /** Extra bytes of each local header, which the central directory does not have: PyTorch aligns its data with them. */
  readonly padding?: number
}

/** PKWARE APPNOTE.TXT 6.3.10, section 4.3. */
export function zipOf(entries: readonly RawEntry[], options: ZipOptions = {}): Uint8Array {
  const { zip64 = false, comment = '', padding = 5 } = options
  const parts: Uint8Array[] = []
  const central: Uint8Array[] = []
  let at = 0
  const put = (part: Uint8Array) => {
    parts.push(part)
    at += part.length
  }
  for (const { name, bytes, method = 0, flags = 0 } of entries) {
    const text = encoder.encode(name)
    const headerAt = at
    const size = bytes.length
    const common = fields([20, 2], [flags, 2], [method, 2], [0, 2], [0, 2], [0, 4])
    // Local sizes may be missing: only the central directory's count.
    const local = fields([0, 4], [0, 4], [text.length, 2], [padding, 2])
    put(concat([fields([0x04034b50, 4]), common, local, text, new Uint8Array(padding), bytes]))
    const extra = zip64
      ? fields([0xfeed, 2], [2, 2], [7, 2], [1, 2], [24, 2], [size, 8], [size, 8], [headerAt, 8])
      : new Uint8Array()
    const shown = (value: number) => [zip64 ? 0xffffffff : value, 4] as const
    const sizes = fields(shown(size), shown(size), [text.length, 2], [extra.length, 2], [0, 2])
    const rest = fields([0, 2], [0, 2], [0, 4], shown(headerAt))
    central.push(concat([fields([0x02014b50, 4], [20, 2]), common, sizes, rest, text, extra]))
  }
  const directoryAt = at
  const directory = concat(central)
  put(directory)
  const count = entries.length
  if (zip64) {
    const recordAt = at
    put(fields([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4], [count, 8], [count, 8]))
    put(fields([directory.length, 8], [directoryAt, 8]))
    put(fields([0x07064b50, 4], [0, 4], [recordAt, 8], [1, 4]))
  }
  const counts: [number, number] = zip64 ? [0xffff, 2] : [count, 2]
  const place: [number, number][] = zip64
    ? [
        [0xffffffff, 4],
        [0xffffffff, 4],
      ]
    : [
        [directory.length, 4],
        [directoryAt, 4],
      ]
  put(fields([0x06054b50, 4], [0, 4], counts, counts, ...place, [comment.length, 2]))
  put(encoder.encode(comment))
  return concat(parts)
}

/** Opcodes and their arguments: text as it is (one byte each), numbers as bytes. */
export function pickle(...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  return concat(
    parts.map((part) => {
      if (typeof part === 'string') return Uint8Array.from(part, (char) => char.charCodeAt(0))
      return typeof part === 'number' ? Uint8Array.of(part) : part
    }),
  )
}

/** BINUNICODE. */
export function text(value: string): Uint8Array {
  const bytes = encoder.encode(value)
  return concat([pickle('X'), fields([bytes.length, 4]), bytes])
}

/** LONG1 of 6 bytes: any whole number from 0 to 2^47; or BININT for those below 0. */
export function whole(value: number): Uint8Array {
  if (value < 0) return pickle('J', fields([value, 4]))
  return pickle(0x8a, 6, fields([value, 6]))
}

/** A tuple of whole numbers. */
export function tuple(values: readonly number[]): Uint8Array {
  return pickle('(', ...values.map(whole), 't')
}

export interface RawView {
  readonly key?: string
  readonly type?: string
  /** Of the storage, in values. */
  readonly length?: number
  readonly offset?: number
  readonly size?: readonly number[]
  readonly stride?: readonly number[]
}

/** A tensor as torch.save pickles it; by default the whole of the storage "0" of 6 values of F32. */
export function tensor(view: RawView = {}): Uint8Array {
  const {
    key = '0',
    type = 'torch\nFloatStorage',
    length = 6,
    offset = 0,
    size = [2, 3],
    stride = [3, 1],
  } = view
  return pickle(
    'ctorch._utils\n_rebuild_tensor_v2\n(',
    ...['(', text('storage'), `c${type}\n`, text(key), text('cpu'), whole(length), 'tQ'],
    ...[whole(offset), tuple(size), tuple(stride)],
    0x89,
    'ccollections\nOrderedDict\n)RtR',
  )
}

/** The pickle of a dictionary. Values are pickles without STOP. */
export function dict(entries: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const items = Object.entries(entries).flatMap(([key, value]) => [text(key), value])
  return pickle(0x80, 2, '}(', ...items, 'u.')
}

/** F32 values 0, 1, 2...: the storage that `tensor` is a view of. */
export const STORAGE = new Uint8Array(Float32Array.from({ length: 6 }, (_, i) => i).buffer)

/** A file of torch.save as of version 1.6. `storages` by key. */
export function torchZip(
  object: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = { 0: STORAGE },
  more: readonly RawEntry[] = [],
): Uint8Array {
  const data = Object.entries(storages).map(([key, bytes]) => ({ name: `model/data/${key}`, bytes }))
  return zipOf([{ name: 'model/data.pkl', bytes: object }, ...data, ...more])
}

export interface LegacyParts {
  readonly magic?: Uint8Array
  readonly version?: number
  readonly littleEndian?: boolean
  /** Keys, counts of values, bytes. */
  readonly storages?: readonly (readonly [string, number, Uint8Array])[]
}

/** 0x1950a86a20f9469cfc6c */
const MAGIC = Uint8Array.of(0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19)

/** A file of torch.save before version 1.6. */
export function torchLegacy(object: Uint8Array, parts: LegacyParts = {}): Uint8Array {
  const { magic = MAGIC, version = 1001, littleEndian = true, storages = [['0', 6, STORAGE]] } = parts
  return concat([
    pickle(0x80, 2, 0x8a, magic.length, magic, '.'),
    pickle(0x80, 2, 'M', fields([version, 2]), '.'),
    pickle(0x80, 2, '}(', text('little_endian'), littleEndian ? 0x88 : 0x89, 'u.'),
    object,
    pickle(0x80, 2, '](', ...storages.map(([key]) => text(key)), 'e.'),
    ...storages.flatMap(([, count, bytes]) => [fields([count, 8]), bytes]),
  ])
}

/** A file in memory that notes what is read. */
export class NotingSource extends MemorySource {
  readonly reads: [offset: number, length: number][] = []

  override read(offset: number, length: number): Promise<Uint8Array> {
    this.reads.push([offset, length])
    return super.read(offset, length)
  }
}
