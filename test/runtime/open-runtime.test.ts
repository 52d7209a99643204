import { describe, expect, test } from 'vitest'
import { InputError } from '../../src/errors.js'
import { type DeviceOptions, openRuntime } from '../../src/runtime/open-runtime.js'

describe('what cannot be asked for', () => {
  test.each<[string, object, string]>([
    [
      'a device of another name',
      { device: 'gpu' },
      '--device: must be one of cpu, webgpu, cuda, auto, got "gpu"; choose one',
    ],
    [
      'a type of another name',
      { dtype: 'bfloat16' },
      '--dtype: must be one of float32, float16, got "bfloat16"; choose one',
    ],
    [
      'float16 on the CPU',
      { dtype: 'float16' },
      '--dtype: must be float32 on a CPU, got float16; add --device webgpu or --device cuda, or leave it out',
    ],
    [
      'TF32 elsewhere than on CUDA',
      { tf32: true, device: 'webgpu' },
      '--tf32: must be given with --device cuda, got --device webgpu; leave it out',
    ],
    [
      'TF32 of float16',
      { tf32: true, device: 'cuda', dtype: 'float16' },
      '--tf32: must be given with --dtype float32, got float16; leave one out',
    ],
  ])('%s', async (_, options, message) => {
    const failed = await openRuntime(options as DeviceOptions).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(InputError)
    expect((failed as Error).message).toBe(message)
  })
})

test('the CPU is the default', async () => {
  const runtime = await openRuntime({ threads: 1 })
  expect(runtime.description).toMatch(/^ONNX Runtime .*, CPU, 1 thread$/)
  expect(runtime.gpu).toBeUndefined()
})

/** Either there is such a device, or an error says what is missing. */
test.each(['webgpu', 'cuda'] as const)(
  '%s is there, or an error says what is missing',
  async (device) => {
    const opened = await openRuntime({ device }).catch((error: unknown) => error)
    if (opened instanceof Error) {
      expect(opened).toBeInstanceOf(InputError)
      expect(opened.message).toMatch(
        new RegExp(`^--device: ${device} needs .*, got none \\(.+\\); .*--device `),
      )
    } else expect(opened).toMatchObject({ lanes: 1, gpu: { target: { device, products: 'float32' } } })
  },
  120_000,
)

test('auto takes a GPU, or says why not and takes the CPU', async () => {
  const notes: string[] = []
  const runtime = await openRuntime({ device: 'auto', threads: 1 }, (text) => notes.push(text))
  expect(notes).toHaveLength(1)
  if (runtime.gpu) expect(notes[0]).toBe(`computing on ${runtime.description}`)
  else expect(notes[0]).toMatch(/^computing on the CPU: no GPU can be used \(cuda: .+; webgpu: .+\)$/)
}, 240_000)
