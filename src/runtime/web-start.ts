/** Starts a build of onnxruntime-web in the worker that calls, once. */
import type { Env } from 'onnxruntime-common'
import { InputError } from '../errors.js'
import { Graph, type OnnxModel } from '../onnx/graph.js'
import type { Ort } from './ort-session.js'

export type WebDevice = 'wasm' | 'webgpu'

/** What each build of onnxruntime-web 1.30 loads from the folder of its files, with the extension mjs and with wasm. */
export const FILES: Readonly<Record<WebDevice, string>> = {
  wasm: 'ort-wasm-simd-threaded',
  webgpu: 'ort-wasm-simd-threaded.asyncify',
}

export interface WebOrt extends Ort {
  readonly env: Env
}

/** Load a build, and say where its files are. It starts with its first session. @param assets with a slash at its end */
export async function loadOrt(device: WebDevice, threads: number, assets: string): Promise<WebOrt> {
  const ort: WebOrt = await (device === 'webgpu'
    ? import('onnxruntime-web/webgpu')
    : import('onnxruntime-web/wasm'))
  const file = `${assets}${FILES[device]}`
  ort.env.wasm.wasmPaths = { mjs: `${file}.mjs`, wasm: `${file}.wasm` }
  ort.env.wasm.numThreads = threads
  ort.env.logLevel = 'error'
  return ort
}

/** A graph that shows whether ONNX Runtime starts. */
export function firstGraph(): OnnxModel {
  const g = new Graph('a first graph')
  g.output('y', g.exp(g.input('x', 'float32', [1])), 'float32', [1])
  return g.build()
}

/** Why ONNX Runtime does not start, as an InputError where it is not a fault. */
export async function explained(error: unknown, device: WebDevice, assets: string): Promise<unknown> {
  for (const extension of ['mjs', 'wasm']) {
    const file = `${assets}${FILES[device]}.${extension}`
    const got = await fetch(file, { method: 'HEAD' }).then(
      ({ ok, status }) => (ok ? undefined : `HTTP ${status}`),
      (reason: unknown) => String(reason),
    )
    if (got !== undefined) {
      return new InputError(
        `${file}: a file of onnxruntime-web must be there, got ${got}; copy it from the folder dist of the package, or check the network and load the page again`,
      )
    }
  }
  const text = error instanceof Error ? error.message : String(error)
  if (typeof WebAssembly === 'undefined' || /SIMD is not supported/.test(text)) {
    return new InputError(
      'device: the browser must have WebAssembly with SIMD, got none; use a newer browser, or allow WebAssembly',
    )
  }
  return error
}
