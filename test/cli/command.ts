/** Runs the built command as a user would: `node dist/cli/main.js`, in a folder of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { inflateSync } from 'node:zlib'
import { afterAll, expect } from 'vitest'

export const ROOT = resolve(import.meta.dirname, '..', '..')
export const MAIN = join(ROOT, 'dist', 'cli', 'main.js')
/** The random checkpoint of the oracle: 5 layers, 64 tokens, no tokenizer; opens and runs in no time. */
export const RANDOM_MODEL = join(ROOT, 'test', 'fixtures', 'oracle', 'mamba1-hf')

if (!existsSync(MAIN)) throw new Error(`${MAIN}: must be there before the tests, run npm run build`)

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string | Uint8Array
  /** Environment variables besides PATH and HOME: what is set where the tests run must not matter. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** A running command. */
export function start(
  args: readonly string[],
  { env, cwd }: Pick<RunOptions, 'env' | 'cwd'> = {},
): ChildProcessWithoutNullStreams {
  const { PATH = '', HOME = '' } = process.env
  return spawn(process.execPath, [MAIN, ...args], { cwd, env: { PATH, HOME, ...env } })
}

/** Run the command to its end. */
export function factflow(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const child = start(args, options)
  const out = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      out[name] += text
    })
  }
  // A command that fails early does not read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input)
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => done({ code, ...out }))
  })
}

/** Run a command that must succeed and print nothing but its result, which comes back. */
export async function succeed(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await factflow(args, options)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** Run a command that must refuse what it was given: exit code 2, no result, one line that says why. */
export async function refuse(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await factflow(args, options)
  expect({ code, stdout, stderr }).toEqual({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^error: [^\n]+: [^\n]+, got [^\n]+; [^\n]+\n$/),
  })
  return stderr.trimEnd()
}

/** Width and height of a PNG of 8-bit RGBA, which must be whole: from its signature to its end, all rows there. */
export function pngSize(file: string): [width: number, height: number] {
  const png = readFileSync(file)
  expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n')
  expect(png.subarray(-8, -4).toString('latin1')).toBe('IEND')
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)]
  const data: Uint8Array[] = []
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const end = at + 8 + png.readUInt32BE(at)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, end))
  }
  // A row is its filter and four bytes a pixel.
  expect(inflateSync(Buffer.concat(data)).length).toBe(height * (1 + 4 * width))
  return [width, height]
}

/** A folder that is gone after the tests of this file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'factflow-cli-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
