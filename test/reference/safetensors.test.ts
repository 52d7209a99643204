import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MODELS } from './families.js'
import { randomMamba } from './random.js'
import { readFixture, readSafetensors, writeSafetensors } from './safetensors.js'

const PLAIN = { nLayers: 2, dModel: 16, dState: 4, dtRank: 2, convKernel: 4, vocabSize: 31 }
describe('checkpoints', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'factflow-reference-'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  it.each(MODELS)('a written model is read back identically: %s', (_, model) => {
    writeSafetensors(model, dir)
    expect(readFixture(dir)).toEqual(model)
  })

  it('reads float16: normal, subnormal, zero and infinite values', () => {
    const bits = [0x3c00, 0xc100, 0x7bff, 0x0001, 0x83ff, 0x8000, 0xfc00]
    const header = JSON.stringify({
      x: { dtype: 'F16', shape: [bits.length], data_offsets: [0, 2 * bits.length] },
    })
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(header.length))
    const file = join(dir, 'half.safetensors')
    writeFileSync(
      file,
      Buffer.concat([length, Buffer.from(header), Buffer.from(new Uint16Array(bits).buffer)]),
    )
    const expected = [1, -2.5, 65504, 2 ** -24, -1023 * 2 ** -24, -0, Number.NEGATIVE_INFINITY]
    expect([...readSafetensors(file).get('x')!.data]).toEqual(expected)
  })

  it('the same seed makes the same model, another seed another one', () => {
    const model = randomMamba(1, PLAIN)
    expect(randomMamba(1, PLAIN)).toEqual(model)
    expect(randomMamba(3, PLAIN)).not.toEqual(model)
  })

  it('refuses to write what float32 cannot hold', () => {
    const model = randomMamba(1, PLAIN)
    model.tensors.get('backbone.norm_f.weight')!.data[0] = 0.1
    expect(() => writeSafetensors(model, dir)).toThrow('backbone.norm_f.weight: float32 values only, got 0.1')
  })
})
