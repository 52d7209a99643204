import { FLOAT_BYTES, type FloatDtype, toFloat32 } from './dtype.js'
import type { ByteSource } from './source.js'

/**
 * `count` values from byte `begin` on as float32, without a second copy of them on the way: half-precision values are
 * read into the second half of their memory and widened in place. One read, so that it goes on while the program is busy.
 *
 * @param into memory for the values; else new memory is taken.
 * @throws InputError when the bytes cannot be read.
 */
export async function readFloats(
  source: ByteSource,
  dtype: FloatDtype,
  begin: number,
  count: number,
  into: Float32Array = new Float32Array(count),
): Promise<Float32Array> {
  const out = into.subarray(0, count)
  if (dtype === 'F32') {
    const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength)
    const got = await source.read(begin, bytes.length, bytes)
    if (got.buffer !== bytes.buffer) bytes.set(got)
    return out
  }
  const raw = new Uint8Array(
    out.buffer,
    out.byteOffset + FLOAT_BYTES[dtype] * count,
    FLOAT_BYTES[dtype] * count,
  )
  const bytes = await source.read(begin, raw.length, raw)
  // From the first value on: what is written never reaches a value that is yet to be read.
  return toFloat32(dtype, bytes, out)
}
