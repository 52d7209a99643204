/**
 * Sizes that a Parquet file tells of, checked before hyparquet makes room for them: a few wrong bytes make it fill the
 * memory, which ends the page. See https://parquet.apache.org/docs/file-format/.
 */
import { type ColumnMetaData, snappyUncompress } from 'hyparquet'
import { checkSize, readStruct, varint } from '../../results/thrift.js'

/** Bytes from one of snappy's: its copies are of 64 bytes at most, and take 3. */
const SNAPPY = 64

/** A column of a group of rows, one value in each row. */
export interface ColumnPages {
  /** From where its first page begins to where its last one ends. */
  readonly bytes: Uint8Array
  readonly codec: ColumnMetaData['codec']
  readonly type: ColumnMetaData['type']
  /** Whether values may be null: pages then tell which are. */
  readonly optional: boolean
  readonly rows: number
}

/** @throws Error when a page tells of more than it has, or than there are rows */
export function checkPages({ bytes, codec, type, optional, rows }: ColumnPages): void {
  let left = rows
  // As hyparquet does, which leaves a last byte alone.
  for (let at = 0; left > 0 && at < bytes.length - 1; ) {
    const { fields: header, end } = readStruct(bytes, at)
    const [size, packed] = [header[2], header[3]] as [unknown, unknown]
    checkSize('a page', packed, bytes.length - end)
    checkSize('an unpacked page', size, codec === 'SNAPPY' ? SNAPPY * (packed + 1) : bytes.length)
    const body = bytes.subarray(end, end + packed)
    at = end + packed
    const [first, dictionary, second] = [5, 7, 8].map((field) => header[field] as Fields)
    if (header[1] === PAGE.dictionary) {
      checkSize('a dictionary', dictionary?.[1], size)
    } else if (header[1] === PAGE.first && first) {
      const [, values, encoding] = first
      checkSize('a page', values, left)
      left -= values
      const page = unpacked(body, size, codec)
      const levels = optional ? checkLevels(page, values) : 0
      checkValues(page.subarray(levels), encoding, type, values)
    } else if (header[1] === PAGE.second && second) {
      const [, values, nulls, count, encoding, definitions, repetitions, compressed = true] = second
      checkSize('a page', values, left)
      checkSize('nulls', nulls, values)
      checkSize('rows', count, values)
      checkSize('levels', repetitions, body.length)
      checkSize('levels', definitions, Math.min(body.length, size) - repetitions)
      left -= values
      const levels = definitions + repetitions
      if (optional) checkHybrid(body.subarray(repetitions, levels), 1, values)
      const rest = body.subarray(levels)
      const page = compressed === false ? rest : unpacked(rest, size - levels, codec)
      checkValues(page, encoding, type, values - nulls)
    } else throw new Error(`a page of type ${String(header[1])} without its header`)
  }
}

const PAGE = { first: 0, dictionary: 2, second: 3 } as const
/** Those that DuckDB writes; of others hyparquet reads some, which make room for what is not there. */
const ENCODING = {
  plain: 0,
  plainDictionary: 2,
  rle: 3,
  delta: 5,
  deltaLength: 6,
  dictionary: 8,
  streams: 9,
} as const
const ENCODINGS: ReadonlySet<unknown> = new Set(Object.values(ENCODING))

type Fields = unknown[] | undefined

function unpacked(bytes: Uint8Array, size: number, codec: ColumnMetaData['codec']): Uint8Array {
  if (codec !== 'SNAPPY' || size === 0) return bytes
  const page = new Uint8Array(size)
  snappyUncompress(bytes, page)
  return page
}

/** The levels at a page's beginning, with their length in front. @returns bytes that they take */
function checkLevels(page: Uint8Array, values: number): number {
  const length = runsLength(page)
  checkHybrid(page.subarray(4, 4 + length), 1, values)
  return 4 + length
}

function runsLength(page: Uint8Array): number {
  checkSize('a length', 4, page.length)
  const length = new DataView(page.buffer, page.byteOffset).getUint32(0, true)
  checkSize('levels', length, page.length - 4)
  return length
}

/** Values that are numbers in runs: those of a dictionary, and booleans; and those that are differences. */
function checkValues(
  page: Uint8Array,
  encoding: unknown,
  type: ColumnMetaData['type'],
  values: number,
): void {
  if (!ENCODINGS.has(encoding)) throw new Error(`values of encoding ${String(encoding)}`)
  if (encoding === ENCODING.delta && type !== 'INT32') throw new Error(`differences of ${type}`)
  if (encoding === ENCODING.rle && type !== 'BOOLEAN') throw new Error(`runs of ${type}`)
  if (type === 'BOOLEAN' && encoding !== ENCODING.plain) {
    checkHybrid(page.subarray(4, 4 + runsLength(page)), 1, values)
  } else if (encoding === ENCODING.dictionary || encoding === ENCODING.plainDictionary) {
    checkHybrid(page.subarray(1), page[0] ?? 0, values)
  } else if (encoding === ENCODING.delta || encoding === ENCODING.deltaLength) {
    checkBlocks(page)
  }
}

/** A block of differences has at least one part, of 32 values or a multiple: else hyparquet goes on for ever. */
function checkBlocks(page: Uint8Array): void {
  const { value: block, end } = varint(page, 0)
  const { value: parts } = varint(page, end)
  checkSize('a block', block, 2 ** 31 - 1)
  checkSize('parts of a block', parts, block / 32)
  const even = parts > 0 && block % (32 * parts) === 0
  if (!even) throw new Error(`a block of ${block} values in ${parts} parts`)
}

/** Runs of equal values, and values packed in bits: none more than `values`. */
function checkHybrid(bytes: Uint8Array, width: number, values: number): void {
  checkSize('bits of a value', width, 32)
  if (width === 0) return
  // Of values that are null there is none: runs may end before.
  for (let at = 0, seen = 0; seen < values && at < bytes.length; ) {
    const { value: header, end } = varint(bytes, at)
    const count = header >>> 1
    const packed = (header & 1) === 1
    const size = packed ? count * width : Math.ceil(width / 8)
    checkSize('a run', size, bytes.length - end)
    if (!packed) checkSize('a run', count, values - seen)
    seen += packed ? 8 * count : count
    at = end + size
  }
}
