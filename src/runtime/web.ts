/**
 * ONNX Runtime in a browser: WebAssembly on the processor's threads, or WebGPU. A page computes in a worker, so that it
 * stays free; everything here runs in the worker, and only what is used is downloaded.
 *
 * The files of onnxruntime-web are not part of a bundle; the page's server has them below `assets`, see `FILES`.
 */
import { env } from 'onnxruntime-common'
import { InputError, show } from '../errors.js'
import { GPU_SETTINGS } from './gpu-settings.js'
import type { Runtime } from './runtime.js'
import { ThreadPool } from './thread-pool.js'
import { startWebThread } from './web-pool.js'
import { createWebGpuSession } from './web-session.js'
import { explained, firstGraph, loadOrt, type WebOrt } from './web-start.js'

/** `auto`: WebGPU where there is a GPU, else WebAssembly. */
export const WEB_DEVICES = ['wasm', 'webgpu', 'auto'] as const

export interface WebRuntimeOptions {
  /** What computes; default `auto`. */
  readonly device?: (typeof WEB_DEVICES)[number]
  /** Threads that compute on the processor; default all, up to `MOST_THREADS`. */
  readonly threads?: number
  /** The folder of onnxruntime-web's files, `dist` of its package. Relative to the worker's own URL. */
  readonly assets: string | URL
  /** Told why `auto` has chosen no GPU. */
  readonly onNote?: (text: string) => void
}

/** More threads than this gain nothing for matrices of the sizes that fit a page. */
const MOST_THREADS = 8

/** The address space of WebAssembly is 4 GB, and ONNX Runtime itself and what it leaves between blocks need some. */
const ADDRESS_SPACE = 3 * 2 ** 30
/** What a device is taken to have where the browser does not say: bytes. */
const UNKNOWN_MEMORY = 4 * 2 ** 30

/**
 * Open a runtime: start ONNX Runtime, in workers of this one, or for WebGPU in this one.
 * @throws InputError when the browser lacks what `device` needs, or a file of `assets` cannot be had
 */
export async function openWebRuntime(options: WebRuntimeOptions): Promise<Runtime> {
  const { device: wanted = 'auto', onNote = () => undefined } = options
  if (!WEB_DEVICES.includes(wanted)) {
    throw new InputError(`device: must be one of ${WEB_DEVICES.join(', ')}, got ${show(wanted)}; choose one`)
  }
  const adapter = wanted === 'wasm' ? undefined : await gpuAdapter()
  let device: 'wasm' | 'webgpu'
  if (wanted === 'auto') {
    device = adapter && !isSoftware(adapter) ? 'webgpu' : 'wasm'
    if (device === 'wasm') {
      const why = adapter ? `only one in software (${adapterName(adapter)})` : 'none that this browser offers'
      onNote(`computing on the processor: a GPU is needed for WebGPU, got ${why}`)
    }
  } else device = wanted
  if (device === 'webgpu' && !adapter) {
    throw new InputError(
      'device: webgpu needs a browser with WebGPU and a GPU that it may use, got none; choose wasm, or switch hardware acceleration on',
    )
  }
  const threads = threadsFor(options.threads)
  const assets = assetsUrl(options.assets)
  return device === 'webgpu' ? webgpuRuntime(adapter!, assets) : wasmRuntime(threads, assets)
}

const VERSION = `ONNX Runtime ${env.versions.common}`

/**
 * As in Node, sessions live in a worker of their own, so that this one stays free, for the signal of a user who stops it
 * too. One lane: a second one, with its own ONNX Runtime, made the first result on an embedded model come 1 s later on two
 * processors (3.3 s: the WebAssembly is compiled twice) and later ones no sooner (`npm run bench:app`).
 */
async function wasmRuntime(threads: number, assets: string): Promise<Runtime> {
  const used = crossOriginIsolated ? threads : 1
  const pool = new ThreadPool(
    1,
    startWebThread(() => ({ assets, threads: used })),
  )
  try {
    // What is missing is told now.
    await (await pool.createSession(0, firstGraph(), used)).release()
  } catch (error) {
    await pool.end()
    throw await explained(error, 'wasm', assets)
  }
  const limit =
    used < threads
      ? ' (for more the page must be cross-origin isolated, by the headers COOP and COEP of its server)'
      : ''
  return {
    description: `${VERSION}, WebAssembly, ${used} thread${used === 1 ? '' : 's'}${limit}`,
    lanes: 1,
    // One session for all layers: a first answer comes in a third of the time. Weights are copied at every run.
    weights: 'inputs',
    packedBytes: 0,
    freeMemory,
    createSession: (model) => pool.createSession(0, model, used),
    close: () => pool.end(),
  }
}

/** ONNX Runtime for WebGPU in this worker, which starts once. */
let webgpu: Promise<WebOrt> | undefined

async function webgpuRuntime(adapter: GPUAdapter, assets: string): Promise<Runtime> {
  webgpu ??= startWebGpu(assets)
  const ort = await webgpu
  return {
    description: `${VERSION}, GPU through WebGPU (${adapterName(adapter)}), float32`,
    lanes: 1,
    gpu: { target: { device: 'webgpu', products: 'float32' }, ...GPU_SETTINGS.webgpu },
    freeMemory,
    createSession: (model) => createWebGpuSession(ort, model),
  }
}

async function startWebGpu(assets: string): Promise<WebOrt> {
  const ort = await loadOrt('webgpu', 1, assets)
  try {
    await (await createWebGpuSession(ort, firstGraph())).release()
  } catch (error) {
    throw await explained(error, 'webgpu', assets)
  }
  return ort
}

/**
 * Bytes that a page may take: half of what the device has (browsers say at most 8 GB, some nothing), within the address
 * space of WebAssembly.
 */
function freeMemory(): number {
  const { deviceMemory } = navigator as { deviceMemory?: number }
  const device = deviceMemory === undefined ? UNKNOWN_MEMORY : deviceMemory * 2 ** 30
  return Math.min(ADDRESS_SPACE, device / 2)
}

function threadsFor(wanted: number | undefined): number {
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted > 0)) {
    throw new InputError(
      `threads: must be a whole number above 0, got ${show(wanted)}; leave it out for all processors`,
    )
  }
  return Math.min(wanted ?? navigator.hardwareConcurrency ?? 1, MOST_THREADS)
}

function assetsUrl(assets: string | URL): string {
  const url = new URL(assets, globalThis.location?.href)
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url.href
}

async function gpuAdapter(): Promise<GPUAdapter | undefined> {
  const { gpu } = navigator as { gpu?: GPU }
  try {
    return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? undefined
  } catch {
    return undefined
  }
}

/** Whether the processor does what a GPU would: more slowly than WebAssembly. */
function isSoftware({ info }: GPUAdapter): boolean {
  return info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(adapterName({ info }))
}

/** What the browser says of it, which is little. */
function adapterName({ info }: Pick<GPUAdapter, 'info'>): string {
  const { vendor, architecture, description } = info
  return description || [vendor, architecture].filter(Boolean).join(' ') || 'a GPU without a name'
}
