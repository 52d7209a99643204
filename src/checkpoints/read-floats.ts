import { FLOAT_BYTES, type FloatDtype, toFloat32 } from './dtype.js'
import type { ByteSource } from './source.js'

/** Half-precision values are read and widened so many bytes at a time. */
const CHUNK_BYTES = 2 ** 20

/**
 * `count` values from byte `begin` on as float32, without a second copy of them on the way.
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
  const size = FLOAT_BYTES[dtype]
  const most = CHUNK_BYTES / size
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, count * size))
  for (let done = 0; done < count; done += most) {
    const some = Math.min(most, count - done)
    const bytes = await source.read(begin + done * size, some * size, chunk.subarray(0, some * size))
    toFloat32(dtype, bytes, out.subarray(done, done + some))
  }
  return out
}
