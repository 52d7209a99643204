/** The files of the web app: which address is which file. A request can name none but these. */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorCode, InputError } from '../errors.js'
import { ownFiles } from './own-files.js'

/** Where `npm run build` puts the app: beside the code in the package, from src/server or dist/server. */
export const APP = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist', 'app')

/** The page itself. */
export const PAGE = 'index.html'

/**
 * Addresses below the app's and paths: those of its build, the embedded models (`models/`), ONNX Runtime's WebAssembly
 * (`ort/`).
 * @param dir where the build is
 * @throws InputError when there is none
 */
export async function appFiles(dir: string): Promise<ReadonlyMap<string, string>> {
  let entries: Awaited<ReturnType<typeof entriesBelow>>
  try {
    entries = await entriesBelow(dir)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    entries = []
  }
  const built = entries
    .filter((entry) => entry.isFile())
    .map((entry): [string, string] => {
      // Before Node 20.12 the folder is called `path`.
      const path = join(entry.parentPath ?? entry.path, entry.name)
      return [relative(dir, path).split(sep).join('/'), path]
    })
  const files = new Map([...(await ownFiles()), ...built])
  if (files.has(PAGE)) return files
  throw new InputError(`${dir}: must hold the built web app, got no ${PAGE}; run npm run build`)
}

function entriesBelow(dir: string) {
  return readdir(dir, { recursive: true, withFileTypes: true })
}

/** The page as the server gives it: it finds out from it that there is a server to ask. */
export async function servedPage(file: string): Promise<string> {
  const html = await readFile(file, 'utf8')
  return html.replace(/<head[^>]*>/i, (head) => `${head}<meta name="factflow-server" content="api">`)
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
}

export function contentType(address: string): string {
  return TYPES[extname(address)] ?? 'application/octet-stream'
}

/** Whether the name of a file holds a hash of what is in it, as Vite's do. */
export function neverChanges(address: string): boolean {
  return /^assets\/.+-[\w-]{8}\.\w+$/.test(address)
}
