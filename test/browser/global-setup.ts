/** Once for all tests in a browser: the web app is built, unless `npm run build` has built it from these sources. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import type { TestProject } from 'vitest/node'
import { APP } from '../../src/server/app-files.js'
import { inChromium } from './harness.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the built app; empty where there is no browser to show it. */
    app: string
  }
}

/** What the app is built from. */
const SOURCES = ['app', 'src', 'data', 'models', 'package.json']

/** When a file below was changed last, in milliseconds. */
function newest(path: string): number {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

function isBuilt(): boolean {
  const page = join(APP, 'index.html')
  return existsSync(page) && statSync(page).mtimeMs > Math.max(...SOURCES.map(newest))
}

export default async function setup(project: TestProject): Promise<(() => void) | undefined> {
  if (!inChromium || isBuilt()) {
    project.provide('app', inChromium ? APP : '')
    return undefined
  }
  const outDir = mkdtempSync(join(tmpdir(), 'factflow-app-'))
  await build({ configFile: 'app/vite.config.ts', logLevel: 'error', build: { outDir } })
  project.provide('app', outDir)
  return () => rmSync(outDir, { recursive: true, force: true })
}
