import { InputError, show } from '../errors.js'

/** Element types that a weight may have on disk, by their safetensors names. */
export type FloatDtype = 'F32' | 'F16' | 'BF16'

/** Bytes per value. */
export const FLOAT_BYTES: Readonly<Record<FloatDtype, number>> = { F32: 4, F16: 2, BF16: 2 }

export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return Object.hasOwn(FLOAT_BYTES, dtype)
}

/**
 * The dtype of a tensor that is to be read as a weight.
 *
 * @throws InputError naming the file and the tensor when it is none of those above.
 */
export function floatDtype(dtype: string, tensor: string, file: string): FloatDtype {
  if (isFloatDtype(dtype)) return dtype
  const rule = `tensor ${show(tensor)} must be one of ${Object.keys(FLOAT_BYTES).join(', ')}`
  throw new InputError(`${file}: ${rule}, got ${show(dtype)}; use a checkpoint that is not quantized`)
}

/**
 * Little-endian values as float32, exactly: F16 and BF16 are subsets of it, NaN payloads included. (The typed arrays
 * that this rests on are little-endian wherever ONNX Runtime runs.)
 *
 * @param bytes a whole number of values, at any byte offset of its buffer.
 * @param into memory for as many values; without it, F32 at an offset that is a multiple of 4 is a view of the same
 *   memory, and everything else a copy.
 */
export function toFloat32(dtype: FloatDtype, bytes: Uint8Array, into?: Float32Array): Float32Array {
  const size = FLOAT_BYTES[dtype]
  if (bytes.byteLength % size !== 0) {
    throw new Error(`toFloat32: ${dtype} needs a multiple of ${size} bytes, got ${bytes.byteLength}`)
  }
  // Not bytes.slice(): on a Node Buffer that is a view.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
  const length = bytes.byteLength / size
  switch (dtype) {
    case 'F32': {
      const values = new Float32Array(aligned.buffer, aligned.byteOffset, length)
      into?.set(values)
      return into ?? values
    }
    case 'F16':
      return widened(new Uint16Array(aligned.buffer, aligned.byteOffset, length), halfTable(), into)
    case 'BF16':
      return widened(new Uint16Array(aligned.buffer, aligned.byteOffset, length), undefined, into)
    default:
      return dtype satisfies never
  }
}

/** Half-precision values by the table of their float32 bits; without one bfloat16, the upper half of a float32. */
function widened(
  values: Uint16Array,
  table: Uint32Array | undefined,
  into: Float32Array = new Float32Array(values.length),
): Float32Array {
  const bits = new Uint32Array(into.buffer, into.byteOffset, values.length)
  if (table) for (let i = 0; i < values.length; i++) bits[i] = table[values[i]!]!
  else for (let i = 0; i < values.length; i++) bits[i] = values[i]! << 16
  return into
}

let halves: Uint32Array | undefined

/** The float32 bits of all 65,536 IEEE 754 half-precision patterns: 256 KiB, made at first use. */
function halfTable(): Uint32Array {
  if (!halves) {
    halves = new Uint32Array(65536)
    for (let half = 0; half < 65536; half++) halves[half] = halfToFloatBits(half)
  }
  return halves
}

/** half: sign 1, exponent 5 (bias 15), mantissa 10 bits; float: sign 1, exponent 8 (bias 127), mantissa 23 bits. */
function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >> 10) & 31
  const mantissa = half & 1023
  if (exponent === 31) return sign | 0x7f800000 | (mantissa << 13) // infinity, NaN
  if (exponent > 0) return sign | ((exponent + 127 - 15) << 23) | (mantissa << 13)
  if (mantissa === 0) return sign // zero
  // Subnormal: mantissa * 2^-24. Its leading one moves to bit 10, where float32 leaves it out.
  const shift = Math.clz32(mantissa) - 21
  return sign | ((127 - 14 - shift) << 23) | (((mantissa << shift) & 1023) << 13)
}
