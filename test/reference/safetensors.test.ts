import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ReferenceModel } from './mamba.js'
import { randomMamba, writeSafetensors } from './random.js'
import { readFixture, readSafetensors } from './safetensors.js'

const PLAIN = { nLayers: 2, dModel: 16, dState: 4, dtRank: 2, convKernel: 4, vocabSize: 31 }
/** Every flag away from its default, and an inner width that is no multiple of the model width. */
const ODD = { ...PLAIN, dInner: 17, useBias: true, useConvBias: false, tied: false }
const MODELS: [string, ReferenceModel][] = [
  ['plain', randomMamba(1, PLAIN)],
  ['odd', randomMamba(2, ODD)],
]

describe('checkpoints', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'factflow-reference-'))
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  it.each(MODELS)('a written %s model is read back identically', (_, model) => {
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
    expect(randomMamba(1, PLAIN)).toEqual(MODELS[0][1])
    expect(randomMamba(3, PLAIN)).not.toEqual(MODELS[0][1])
  })

  it('refuses to write what float32 cannot hold', () => {
    const model = randomMamba(1, PLAIN)
    model.tensors.get('backbone.norm_f.weight')!.data[0] = 0.1
    expect(() => writeSafetensors(model, dir)).toThrow('backbone.norm_f.weight: float32 values only, got 0.1')
  })
})
