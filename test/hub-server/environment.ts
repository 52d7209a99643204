/** A Hub of its own for each test: a server, an empty cache, and no variables but these. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterEach, beforeEach } from 'vitest'
import { pythonWith } from '../helpers/python.js'
import { HubServer } from './server.js'

/** What the Hub's clients read, and what would lead them past the local server. */
const VARIABLES =
  /^(?:HF_|HUGGING|TRANSFORMERS_OFFLINE$|XDG_CACHE_HOME$|HTTPS?_PROXY$|ALL_PROXY$|https?_proxy$|all_proxy$)/

export interface TestHub {
  server: HubServer
  /** HF_HOME. */
  home: string
  /** The variables that lead there, for other processes. */
  env: Record<string, string>
}

/** Call it at the top of a test file; its fields are new in each test. */
export function testHub(): TestHub {
  const hub = {} as TestHub
  let saved: NodeJS.ProcessEnv
  beforeEach(async () => {
    saved = { ...process.env }
    for (const name of Object.keys(process.env)) if (VARIABLES.test(name)) delete process.env[name]
    hub.server = await HubServer.start()
    hub.home = mkdtempSync(join(tmpdir(), 'factflow-hub-'))
    hub.env = { HF_HOME: hub.home, HF_ENDPOINT: hub.server.endpoint }
    Object.assign(process.env, hub.env)
  })
  afterEach(async () => {
    for (const name of Object.keys(process.env)) if (!(name in saved)) delete process.env[name]
    Object.assign(process.env, saved)
    await hub.server.close()
    rmSync(hub.home, { recursive: true, force: true })
  })
  return hub
}

/** All files below a folder, links included, as sorted relative paths. */
export function tree(dir: string): string[] {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(dir, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
    .sort()
}

/** A Python that has huggingface_hub; undefined when there is none. */
export const PYTHON = pythonWith('huggingface_hub')

/** Run a script in that Python; returns what it prints. */
export async function python(script: string, env: Record<string, string>): Promise<string> {
  const { PATH = '' } = process.env
  // Not synchronous: the server is in this process.
  const { stdout } = await promisify(execFile)(PYTHON!, ['-c', script], { env: { PATH, ...env } })
  return stdout.trim()
}
