/** Builds checkpoint files, byte by byte. Shares no code with src/checkpoints. */
import type { ByteSource } from '../../src/checkpoints/source.js'

export interface RawTensor {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** 8 bytes of length, the header, the data. */
export function fileBytes(header: string | Uint8Array, data: Uint8Array = new Uint8Array()): Uint8Array {
  const head = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const out = new Uint8Array(8 + head.length + data.length)
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true)
  out.set(head, 8)
  out.set(data, 8 + head.length)
  return out
}

/** Header entries of tensors laid out one after the other. */
export function headerOf(tensors: readonly RawTensor[]): [string, unknown][] {
  let at = 0
  return tensors.map(({ name, dtype, shape, bytes }) => {
    const begin = at
    at += bytes.length
    return [name, { dtype, shape, data_offsets: [begin, at] }]
  })
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** A safetensors file. `pad`: spaces after the header, which decide how the data is aligned. */
export function safetensors(tensors: readonly RawTensor[], pad = 0): Uint8Array {
  const entries = [['__metadata__', { format: 'pt' }], ...headerOf(tensors)]
  const header = JSON.stringify(Object.fromEntries(entries)) + ' '.repeat(pad)
  return fileBytes(header, concat(tensors.map(({ bytes }) => bytes)))
}

/** A tensor of F32 values 0, 1, 2... times `scale`. */
export function ramp(name: string, shape: readonly number[], scale = 1): RawTensor {
  return f32(name, shape, rampValues(shape, scale))
}

export function rampValues(shape: readonly number[], scale = 1): Float32Array {
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i * scale)
}

export function f32(name: string, shape: readonly number[], values: ArrayLike<number>): RawTensor {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < values.length; i++) view.setFloat32(i * 4, values[i], true)
  return { name, dtype: 'F32', shape, bytes }
}

/** 16-bit patterns as a tensor of `dtype`. */
export function u16(
  name: string,
  dtype: string,
  shape: readonly number[],
  patterns: readonly number[],
): RawTensor {
  const bytes = Uint8Array.from(patterns.flatMap((pattern) => [pattern & 255, pattern >> 8]))
  return { name, dtype, shape, bytes }
}

/** IEEE 754-2019 section 3.4, by arithmetic: the value of a binary pattern with these field widths. */
export function ieeeValue(pattern: number, exponentBits: number, mantissaBits: number): number {
  const mantissa = pattern % 2 ** mantissaBits
  const exponent = Math.floor(pattern / 2 ** mantissaBits) % 2 ** exponentBits
  const sign = pattern >= 2 ** (exponentBits + mantissaBits) ? -1 : 1
  const bias = 2 ** (exponentBits - 1) - 1
  if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : NaN
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits)
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias)
}

/** A file in memory that refuses reads outside itself, and says whether it was closed. */
export class MemorySource implements ByteSource {
  closed = 0

  constructor(
    readonly name: string,
    readonly content: Uint8Array,
  ) {}

  get size(): number {
    return this.content.length
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.closed > 0) throw new Error(`MemorySource: ${this.name} is closed`)
    if (!(offset >= 0 && length >= 0 && offset + length <= this.content.length)) {
      throw new Error(`MemorySource: ${offset}+${length} is outside ${this.content.length} bytes`)
    }
    return this.content.slice(offset, offset + length)
  }

  async close(): Promise<void> {
    this.closed++
  }
}
