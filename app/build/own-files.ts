/**
 * What the app finds beside itself: `facts.json` and `models.json`, made when it is built; the embedded models
 * (`models/`) and ONNX Runtime's WebAssembly (`ort/`), which are served from where they are and copied by
 * `factflow ui --export`.
 */
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Plugin } from 'vite'
import { ATLAS_FILE } from '../../src/checkpoints/embedded.js'
import { parseFacts } from '../../src/prompts/facts.js'
import { embeddedEntries } from '../../src/server/model-entries.js'
import { ownFile } from '../../src/server/own-files.js'
import { packFacts } from '../../src/ui/packed-facts.js'

const TYPES: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

async function factsJson(): Promise<string> {
  return JSON.stringify(packFacts(parseFacts(await readFile(ATLAS_FILE, 'utf8'), ATLAS_FILE)))
}

async function modelsJson(): Promise<string> {
  return JSON.stringify(await embeddedEntries())
}

export function ownFiles(): Plugin {
  return {
    name: 'factflow-own-files',
    async generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'facts.json', source: await factsJson() })
      this.emitFile({ type: 'asset', fileName: 'models.json', source: await modelsJson() })
    },
    configureServer(server) {
      server.middlewares.use(async (request, response, next) => {
        const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)
        response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
        response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
        const made = path === '/facts.json' ? factsJson : path === '/models.json' ? modelsJson : undefined
        if (made) {
          response.setHeader('Content-Type', 'application/json')
          response.end(await made())
          return
        }
        const file = await ownFile(path.slice(1))
        if (file === undefined) {
          next()
          return
        }
        response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream')
        response.setHeader('Content-Length', (await stat(file)).size)
        createReadStream(file).pipe(response)
      })
    },
  }
}
