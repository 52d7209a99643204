/**
 * Structs of Thrift's compact form, as Parquet's footers and headers are: whole and no larger than their bytes, which
 * hyparquet takes for granted. See https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
 */

const TYPE = { stop: 0, yes: 1, no: 2, byte: 3, i64: 6, double: 7, binary: 8, list: 9, struct: 12 } as const

/** Parquet's own nest five deep. */
const MOST_DEEP = 32

export interface Read<T> {
  readonly value: T
  /** Where what comes next begins. */
  readonly end: number
}

/** @throws Error when a size is no whole number from 0 to `most` */
export function checkSize(what: string, size: unknown, most: number): asserts size is number {
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 && size <= most) return
  throw new Error(`${what} of ${String(size)} where at most ${most} are`)
}

/**
 * Fields by their numbers: whole numbers and truth values; of what else there is, what is in structs.
 * @throws Error when it is not whole
 */
export function readStruct(
  bytes: Uint8Array,
  begin: number,
  deep = 0,
): { readonly fields: unknown[]; readonly end: number } {
  checkSize('a struct', deep, MOST_DEEP)
  const fields: unknown[] = []
  let field = 0
  for (let at = begin; ; ) {
    checkSize('a struct', 1, bytes.length - at)
    const byte = bytes[at++]!
    const type = byte & 15
    if (type === TYPE.stop) return { fields, end: at }
    if (byte >> 4 === 0) {
      const { value, end } = varint(bytes, at)
      field = zigzag(value)
      at = end
    } else field += byte >> 4
    const { value, end } = element(bytes, at, type, deep)
    // Parquet's own are fewer; no other is read.
    if (field >= 0 && field < 64) fields[field] = value
    at = end
  }
}

function element(bytes: Uint8Array, at: number, type: number, deep: number): Read<unknown> {
  const skip = (size: number, from = at): Read<undefined> => {
    checkSize('a value', size, bytes.length - from)
    return { value: undefined, end: from + size }
  }
  switch (type) {
    case TYPE.yes:
    case TYPE.no:
      return { value: type === TYPE.yes, end: at }
    case TYPE.byte:
      return skip(1)
    case TYPE.double:
      return skip(8)
    case TYPE.binary: {
      const { value: size, end } = varint(bytes, at)
      return skip(size, end)
    }
    case TYPE.list:
      return list(bytes, at, deep)
    case TYPE.struct: {
      const { fields, end } = readStruct(bytes, at, deep + 1)
      return { value: fields, end }
    }
    default: {
      if (type > TYPE.i64) throw new Error(`a value of type ${type}`)
      const { value, end } = varint(bytes, at)
      return { value: zigzag(value), end }
    }
  }
}

function list(bytes: Uint8Array, at: number, deep: number): Read<undefined> {
  checkSize('a list', 1, bytes.length - at)
  const type = bytes[at]! & 15
  const short = bytes[at]! >> 4
  const { value: size, end } = short < 15 ? { value: short, end: at + 1 } : varint(bytes, at + 1)
  // No value takes less than a byte.
  checkSize('a list', size, bytes.length - end)
  let next = end
  for (let i = 0; i < size; i++) {
    next = element(bytes, next, type === TYPE.yes || type === TYPE.no ? TYPE.byte : type, deep).end
  }
  return { value: undefined, end: next }
}

/** An unsigned number, 7 bits a byte; of those of 64 bits what is above 2^53 is rounded. */
export function varint(bytes: Uint8Array, begin: number): Read<number> {
  let value = 0
  for (let at = begin, scale = 1; at < bytes.length && at < begin + 10; at++, scale *= 128) {
    value += (bytes[at]! & 127) * scale
    if (bytes[at]! < 128) return { value, end: at + 1 }
  }
  throw new Error('a number without its end')
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}
