/** The runtime that a user asks for: which device computes, with which arithmetic, and whether it is there. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { InputError, show } from '../errors.js'
import { nodeRuntime } from './node.js'
import type { GpuDevice, Runtime } from './runtime.js'
import { speedOf } from './speed.js'

/** `auto`: CUDA, else WebGPU, else the CPU. */
export const DEVICES = ['cpu', 'webgpu', 'cuda', 'auto'] as const
export const DTYPES = ['float32', 'float16'] as const

export interface DeviceOptions {
  /** What computes; default the CPU. */
  readonly device?: (typeof DEVICES)[number]
  /** Of weights and matrix products; float16 on GPUs alone. Default float32. */
  readonly dtype?: (typeof DTYPES)[number]
  /** CUDA alone: matrix products in TF32, 10 bits of mantissa. */
  readonly tf32?: boolean
  /** Threads on the CPU; default all processors available to the process. */
  readonly threads?: number
}

/** A device that does not answer is none. */
const PROBE_MILLISECONDS = 120_000

/** What a device can do, or why there is none. */
type Probed = { readonly flopsPerSecond: number } | { readonly error: string }

/**
 * Open the runtime that `options` name.
 * @param onNote told which device `auto` has chosen, and why no GPU
 * @throws InputError when the device is not there or cannot do what is asked
 */
export async function openRuntime(
  options: DeviceOptions = {},
  onNote: (text: string) => void = () => undefined,
): Promise<Runtime> {
  const { device = 'cpu', dtype = 'float32', tf32 = false, threads } = options
  oneOf('device', device, DEVICES)
  oneOf('dtype', dtype, DTYPES)
  if (tf32 && device !== 'cuda') {
    throw new InputError(`--tf32: must be given with --device cuda, got --device ${device}; leave it out`)
  }
  if (tf32 && dtype !== 'float32') {
    throw new InputError('--tf32: must be given with --dtype float32, got float16; leave one out')
  }
  if (device === 'auto') return automatic(dtype, threads, onNote)
  if (device === 'cpu') {
    if (dtype !== 'float32') {
      throw new InputError(
        '--dtype: must be float32 on a CPU, got float16; add --device webgpu or --device cuda, or leave it out',
      )
    }
    return nodeRuntime({ threads })
  }
  const probed = await probe(device, dtype)
  if ('error' in probed) throw new InputError(`--device: ${missing(device, dtype, probed.error)}`)
  return nodeRuntime({ threads, device, products: dtype, tf32 })
}

function oneOf(name: string, value: unknown, values: readonly string[]): void {
  if (typeof value === 'string' && values.includes(value)) return
  throw new InputError(`--${name}: must be one of ${values.join(', ')}, got ${show(value)}; choose one`)
}

/** The first GPU that works and beats the CPU (a software adapter does not), or else the CPU. */
async function automatic(
  dtype: (typeof DTYPES)[number],
  threads: number | undefined,
  onNote: (text: string) => void,
): Promise<Runtime> {
  const cpu = nodeRuntime({ threads })
  const reasons: string[] = []
  let own: number | undefined
  for (const device of ['cuda', 'webgpu'] as const) {
    const probed = await probe(device, dtype)
    if ('error' in probed) {
      reasons.push(`${device}: ${probed.error}`)
      continue
    }
    own ??= await speedOf(cpu)
    if (probed.flopsPerSecond <= own) reasons.push(`${device}: slower than the CPU`)
    else {
      await cpu.close?.()
      const runtime = nodeRuntime({ threads, device, products: dtype })
      onNote(`computing on ${runtime.description}`)
      return runtime
    }
  }
  const why = `no GPU can be used (${reasons.join('; ')})`
  if (dtype !== 'float32') {
    throw new InputError(`--dtype: must be float32 on a CPU, got ${dtype}, and ${why}; leave it out`)
  }
  onNote(`computing on the CPU: ${why}`)
  return cpu
}

function missing(device: GpuDevice, dtype: string, reason: string): string {
  const what = dtype === 'float32' ? '' : ` that multiplies in ${dtype}`
  return device === 'cuda'
    ? `cuda needs ONNX Runtime's CUDA libraries and an NVIDIA GPU${what}, got none (${reason}); see "GPUs" in README.md, or use --device webgpu or cpu`
    : `webgpu needs a GPU${what} with a Vulkan, Metal or Direct3D 12 driver, got none (${reason}); install the driver (on Linux also libvulkan1), or use --device cpu`
}

/** Where onnxruntime-node has its libraries. */
function libraries(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node')
  return join(dirname(dirname(entry)), 'bin', 'napi-v6', process.platform, process.arch)
}

/** What ONNX Runtime says at the end of its message, behind its own files and functions. */
function reasonIn(message: string): string {
  return message.split(' was false. ').at(-1)!.trim().split('\n')[0]!
}

async function probe(device: GpuDevice, dtype: string): Promise<Probed> {
  const provider = join(libraries(), 'libonnxruntime_providers_cuda.so')
  if (device === 'cuda' && process.platform === 'linux' && !existsSync(provider)) {
    return { error: `${provider} is missing` }
  }
  const source = import.meta.url.endsWith('.ts')
  const program = fileURLToPath(new URL(source ? './probe.ts' : './probe.js', import.meta.url))
  const args = [...(source ? ['--import', 'tsx'] : []), program, device, dtype]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: PROBE_MILLISECONDS }, (error, stdout, stderr) => {
      try {
        const answer = JSON.parse(stdout) as Probed
        resolve('error' in answer ? { error: reasonIn(answer.error) } : answer)
      } catch {
        const said = stderr.trim().split('\n').at(-1)
        resolve({ error: said || error?.message || 'it did not answer' })
      }
    })
  })
}
