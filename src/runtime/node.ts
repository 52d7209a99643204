/** ONNX Runtime in Node: on the CPU, or on a GPU through WebGPU or CUDA. */
import os from 'node:os'
import process from 'node:process'
import * as ort from 'onnxruntime-node'
import { InputError } from '../errors.js'
import type { GraphTarget, OnnxModel } from '../onnx/graph.js'
import { CpuSessions } from './cpu-session.js'
import { createGpuSession, nvidiaMemory } from './gpu-session.js'
import { GPU_SETTINGS } from './gpu-settings.js'
import { startNodeThread } from './node-thread.js'
import type { GpuSettings, Runtime, Session } from './runtime.js'
import { ThreadPool } from './thread-pool.js'

export interface NodeRuntimeOptions {
  /** Threads that compute on the CPU; default: the processors available to this process. */
  readonly threads?: number
  /** What computes; default: the CPU. Whether it is there shows when a session is made. */
  readonly device?: GraphTarget['device']
  /** The type of weights and of what they are multiplied with, on a GPU; default: float32. */
  readonly products?: GraphTarget['products']
  /** Changes of what a GPU is given. */
  readonly gpu?: Partial<Omit<GpuSettings, 'target'>>
  /**
   * Let CUDA's float32 matrix products round what they multiply to 10 bits of mantissa. The first CUDA session of a
   * process decides for all.
   */
  readonly tf32?: boolean
}

/**
 * Most sessions that run at once. With more threads each session has several: a study has batches enough for more
 * lanes, but a single prompt has not.
 */
const MOST_LANES = 4

const DEVICE_NAMES = { webgpu: 'GPU through WebGPU', cuda: 'GPU through CUDA' } as const

const hostMemory = (): number => process.availableMemory?.() ?? os.freemem()

/** The runtime of Node. ONNX Runtime's telemetry is off unless ORT_DISABLE_TELEMETRY is set to 0. */
export function nodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  // From version 1.29 on ONNX Runtime reports its use to its maker unless told not to before its first session.
  process.env.ORT_DISABLE_TELEMETRY ??= '1'
  const threads = options.threads ?? os.availableParallelism()
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InputError(
      `threads: must be a whole number above 0, got ${threads}; leave it out for all processors`,
    )
  }
  const version = `ONNX Runtime ${ort.env.versions.node ?? ort.env.versions.common}`
  const { device = 'cpu', products = 'float32' } = options
  if (device === 'cpu') return cpuRuntime(version, threads)
  const settings = { target: { device, products }, ...GPU_SETTINGS[device], ...options.gpu }
  return gpuRuntime(version, threads, settings, options.tf32)
}

/**
 * onnxruntime-node computes on the thread that calls it, so sessions live in threads of their own, one for each lane:
 * several batches are computed at once, each on one thread (elementwise operators and small matrix products gain little
 * from a second one), and the caller's thread stays free. With one thread they run on the caller's.
 */
function cpuRuntime(version: string, threads: number): Runtime {
  const lanes = Math.min(threads, MOST_LANES)
  const cpu = new CpuSessions()
  const pool = lanes > 1 ? new ThreadPool(lanes, startNodeThread) : undefined
  return {
    description: `${version}, CPU, ${threads} thread${threads === 1 ? '' : 's'}`,
    lanes,
    weights: 'inputs',
    freeMemory: hostMemory,
    createSession(model: OnnxModel, lane?: number): Promise<Session> {
      // What does not divide is given to the first lanes.
      const own = lane === undefined ? threads : Math.floor((threads + lanes - 1 - lane) / lanes)
      return pool ? pool.createSession(lane ?? 0, model, own) : cpu.createSession(model, own)
    },
    close: async () => pool?.end(),
  }
}

/** What the first CUDA runtime of the process decided. */
let decidedTf32: boolean | undefined

/** onnxruntime-node has no option for it; NVIDIA's libraries read this when they start, once in a process. */
function decideTf32(tf32: boolean): void {
  if (decidedTf32 !== undefined && decidedTf32 !== tf32) {
    throw new InputError(
      `tf32: must be the same for all models on CUDA in a process, got ${tf32} after ${decidedTf32}; use another process`,
    )
  }
  if (tf32 && process.env.NVIDIA_TF32_OVERRIDE === '0') {
    throw new InputError('tf32: must be allowed by NVIDIA_TF32_OVERRIDE, got 0 there; unset it')
  }
  if (!tf32) process.env.NVIDIA_TF32_OVERRIDE = '0'
  decidedTf32 = tf32
}

/** One lane: a device does one thing after the other. */
function gpuRuntime(version: string, threads: number, gpu: GpuSettings, tf32 = false): Runtime {
  const { device } = gpu.target
  if (device === 'cuda') decideTf32(tf32)
  return {
    description: `${version}, ${DEVICE_NAMES[device]}, ${tf32 ? 'TF32' : gpu.target.products}`,
    lanes: 1,
    ...(tf32 && { arithmetic: 'tf32' }),
    ...(gpu.target.products === 'float16' && { arithmetic: 'float16' }),
    gpu,
    freeMemory: () => nvidiaMemory() ?? hostMemory(),
    createSession: (model) => createGpuSession(model, device, threads),
  }
}
