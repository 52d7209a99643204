/** What computes in a page, what it says of itself, and what is missing when it does not. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { core, withPage } from './core.js'
import { ask, inChromium } from './harness.js'
import type { Timed } from './page/worker.js'

const page = core()
const FACT = { prompt: 'Paris is the capital of', subject: 'Paris' }

interface Opened {
  readonly description: string
  readonly notes: readonly string[]
}

/** The message that a call must end with. */
async function message(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const [, text] = /InputError: ([^\n]*)/.exec(String(error)) ?? []
  expect(text, String(error)).toMatch(/^.+: .+, got .+; .+$/)
  return text!
}

describe.skipIf(!inChromium)('on WebAssembly', () => {
  it('an isolated page computes on several threads', () =>
    withPage(page, page.isolated, async (one) => {
      const { description } = await ask<Opened>(one, 'runtime', {
        device: 'wasm',
        threads: 2,
        assets: page.assets(page.isolated),
      })
      expect(description).toMatch(/^ONNX Runtime 1\.\d+\.\d+, WebAssembly, 2 threads$/)
    }))

  it('a page of a plain file host on one, and it says why; ONNX Runtime for WebGPU is not downloaded', () =>
    withPage(page, page.plain, async (one, complaints) => {
      page.plain.asked.length = 0
      const { description } = await ask<Opened>(one, 'runtime', {
        device: 'wasm',
        threads: 8,
        assets: page.assets(page.plain),
      })
      expect(description).toMatch(
        /, WebAssembly, 1 thread \(for more the page must be cross-origin isolated, by the headers COOP and COEP of its server\)$/,
      )
      await ask(one, 'open', { embedded: 'tiny-gpt2', base: `${page.plain.url}models/` })
      const { trace } = await ask<Timed>(one, 'trace', FACT)
      expect(trace.base.prob).toBeGreaterThan(0)
      expect(complaints).toEqual([])
      const runtime = page.plain.asked.filter((path) => path.startsWith('/ort/'))
      expect([...new Set(runtime)].sort()).toEqual([
        '/ort/ort-wasm-simd-threaded.mjs',
        '/ort/ort-wasm-simd-threaded.wasm',
      ])
    }))

  it('auto chooses it where the GPU is one in software, and says so', () =>
    withPage(page, page.isolated, async (one) => {
      const { description, notes } = await ask<Opened>(one, 'runtime', {
        assets: page.assets(page.isolated),
      })
      expect(description).toContain('WebAssembly')
      expect(notes).toEqual([expect.stringMatching(/^computing on the processor: .+, got .+/)])
    }))
})

describe.skipIf(!inChromium)('what cannot be used is told', () => {
  it('files of ONNX Runtime that are not there', () =>
    withPage(page, page.isolated, async (one) => {
      const assets = `${page.isolated.url}nowhere/`
      expect(await message(ask(one, 'runtime', { device: 'wasm', assets }))).toBe(
        `${assets}ort-wasm-simd-threaded.mjs: a file of onnxruntime-web must be there, got HTTP 404; copy it from the folder dist of the package, or check the network and load the page again`,
      )
    }))

  it('a device or number of threads that there is not', () =>
    withPage(page, page.isolated, async (one) => {
      const assets = page.assets(page.isolated)
      expect(await message(ask(one, 'runtime', { device: 'cuda', assets }))).toContain('must be one of wasm')
      expect(await message(ask(one, 'runtime', { threads: 1.5, assets }))).toContain('whole number above 0')
    }))

  it('WebGPU in a browser without', () =>
    withPage(page, page.isolated, async (one) => {
      await ask(one, 'withoutWebGpu')
      const assets = page.assets(page.isolated)
      expect(await message(ask(one, 'runtime', { device: 'webgpu', assets }))).toContain(
        'webgpu needs a browser with WebGPU and a GPU that it may use, got none',
      )
      const { description } = await ask<Opened>(one, 'runtime', { assets })
      expect(description).toContain('WebAssembly')
    }))

  it('an embedded model that is not there', () =>
    withPage(page, page.isolated, async (one) => {
      await ask(one, 'runtime', { device: 'wasm', assets: page.assets(page.isolated) })
      const base = `${page.isolated.url}models/`
      expect(await message(ask(one, 'open', { embedded: 'tiny-bert', base }))).toBe(
        `${base}tiny-bert/config.json: the model's configuration must exist, got no such file; download it`,
      )
    }))
})

describe.skipIf(!inChromium)('files that the user chose', () => {
  const files = ['config.json', 'model.safetensors', 'tokenizer.json'].map((file) =>
    join('models', 'tiny-gpt2', file),
  )

  it('are a model, with the answers of the same model from the server', () =>
    withPage(page, page.isolated, async (one) => {
      await ask(one, 'runtime', { device: 'wasm', threads: 1, assets: page.assets(page.isolated) })
      await one.setInputFiles('#files', files)
      expect(
        await one.evaluate(() => window.ask('open', { files: window.chosen(), name: 'mine' })),
      ).toMatchObject({ name: 'mine', nLayers: 12 })
      const chosen = await ask<Timed>(one, 'trace', FACT)
      await ask(one, 'open', { embedded: 'tiny-gpt2', base: `${page.isolated.url}models/` })
      const served = await ask<Timed>(one, 'trace', FACT)
      expect(chosen.trace.heatmap.knocked).toEqual(served.trace.heatmap.knocked)
    }))

  it('without a config are none', () =>
    withPage(page, page.isolated, async (one) => {
      await ask(one, 'runtime', { device: 'wasm', threads: 1, assets: page.assets(page.isolated) })
      await one.setInputFiles('#files', files.slice(1))
      const opening = one.evaluate(() => window.ask('open', { files: window.chosen() }))
      expect(await message(opening)).toBe(
        'the chosen files: one config.json must be among the files, got none; choose the folder of one model',
      )
    }))
})
