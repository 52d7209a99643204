import { describe, expect, test } from 'vitest'
import { type FloatDtype, isFloatDtype, toFloat32 } from '../../src/checkpoints/dtype.js'
import { ieeeValue } from './helpers.js'

const ALL_PATTERNS = Uint8Array.from({ length: 2 * 65536 }, (_, i) => (i % 2 === 0 ? i / 2 : i / 512) & 255)

/** Where `got` differs from `expected`, NaN being NaN and -0 not being 0. */
function differences(got: Float32Array, expected: (pattern: number) => number): string[] {
  const wrong: string[] = []
  for (let i = 0; i < got.length; i++) {
    if (!Object.is(got[i], expected(i))) wrong.push(`pattern ${i}: got ${got[i]}, expected ${expected(i)}`)
  }
  return wrong
}

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}

describe('toFloat32', () => {
  test('F16: all 65,536 patterns', () => {
    const got = toFloat32('F16', ALL_PATTERNS)
    expect(got.length).toBe(65536)
    expect(differences(got, (pattern) => ieeeValue(pattern, 5, 10))).toEqual([])
  })

  test('BF16: all 65,536 patterns', () => {
    const got = toFloat32('BF16', ALL_PATTERNS)
    expect(got.length).toBe(65536)
    expect(differences(got, (pattern) => ieeeValue(pattern, 8, 7))).toEqual([])
  })

  test('known values', () => {
    // IEEE 754 half precision: 1, -2, largest 65504, smallest normal 2^-14, largest and smallest subnormal.
    const half = Uint8Array.of(0x00, 0x3c, 0x00, 0xc0, 0xff, 0x7b, 0x00, 0x04, 0xff, 0x03, 0x01, 0x00)
    expect([...toFloat32('F16', half)]).toEqual([1, -2, 65504, 2 ** -14, 2 ** -14 - 2 ** -24, 2 ** -24])
    expect([...toFloat32('BF16', Uint8Array.of(0x80, 0x3f, 0x49, 0x40))]).toEqual([1, 3.140625])
    expect([...toFloat32('F32', Uint8Array.of(0x00, 0x00, 0x80, 0x3f))]).toEqual([1])
  })

  test('F32: subnormals, infinities and NaN payloads keep their bits', () => {
    const patterns = [0x00000001, 0x807fffff, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001, 0x80000000]
    const bytes = new Uint8Array(patterns.length * 4)
    patterns.forEach((pattern, i) => {
      new DataView(bytes.buffer).setUint32(i * 4, pattern, true)
    })
    expect([...bits(toFloat32('F32', bytes))]).toEqual(patterns)
  })

  test('F16 and BF16: NaN payloads keep their bits', () => {
    // Signalling and quiet, both signs: the sign moves to bit 31, the payload to the top of the mantissa.
    const half = toFloat32('F16', Uint8Array.of(0x01, 0x7c, 0x03, 0xfe))
    expect([...bits(half)]).toEqual([0x7f802000, 0xffc06000])
    const brain = toFloat32('BF16', Uint8Array.of(0x81, 0x7f, 0xc3, 0xff))
    expect([...bits(brain)]).toEqual([0x7f810000, 0xffc30000])
  })

  test.each<FloatDtype>(['F32', 'F16', 'BF16'])('%s at any byte offset, in arrays and Buffers', (dtype) => {
    const bytes = ALL_PATTERNS.subarray(4000, 4096)
    const expected = bits(toFloat32(dtype, bytes.slice()))
    for (let offset = 0; offset < 8; offset++) {
      const memory = new Uint8Array(offset + bytes.length + 3).fill(0xaa)
      memory.set(bytes, offset)
      expect(bits(toFloat32(dtype, memory.subarray(offset, offset + bytes.length)))).toEqual(expected)
      const buffer = Buffer.from(memory.buffer, offset, bytes.length)
      expect(bits(toFloat32(dtype, buffer))).toEqual(expected)
    }
  })

  test('nothing in, nothing out; broken values refused', () => {
    expect(toFloat32('F16', new Uint8Array())).toEqual(new Float32Array())
    expect(() => toFloat32('F16', new Uint8Array(3))).toThrow(
      'toFloat32: F16 needs a multiple of 2 bytes, got 3',
    )
    expect(() => toFloat32('F32', new Uint8Array(6))).toThrow(
      'toFloat32: F32 needs a multiple of 4 bytes, got 6',
    )
  })
})

test('isFloatDtype', () => {
  expect(['F32', 'F16', 'BF16'].every(isFloatDtype)).toBe(true)
  expect(['F64', 'I64', 'f32', '', 'toString', 'F8_E4M3'].some(isFloatDtype)).toBe(false)
})
