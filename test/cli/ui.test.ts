/** `factflow ui`: the built command serves the built app, and writes it as files. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { storeSample } from '../studies/stored.js'
import { factflow, RANDOM_MODEL, refuse, start, succeed, temporaryFolder } from './command.js'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

interface Running {
  readonly child: ChildProcess
  readonly line: string
  /** How it ended, and all that it has said. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>
}

/** Start the command and wait for its first line. */
async function running(args: readonly string[], cwd?: string): Promise<Running> {
  const child = start(['ui', ...args], { cwd, env: { HF_HOME: '/nowhere' } })
  children.push(child)
  const said = { stdout: '', stderr: '' }
  const ended = new Promise<Awaited<Running['ended']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, ...said }))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text
  })
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.stdout += text
      if (said.stdout.includes('\n')) resolve(said.stdout.split('\n')[0]!)
    })
    void ended.then(() => reject(new Error(said.stderr)))
  })
  return { child, line, ended }
}

async function call(url: string, token: string, name: string, input: unknown): Promise<unknown> {
  const response = await fetch(new URL(`/api/${name}`, url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(input),
  })
  const lines = (await response.text()).trim().split('\n')
  return (JSON.parse(lines.at(-1)!) as { result: unknown }).result
}

test('prints its address, serves the page to who has it, and ends when told to', async () => {
  const { child, line, ended } = await running([], temporaryFolder())
  const [, url, token] = /^factflow is at (http:\/\/127\.0\.0\.1:\d+\/)\?token=([\w-]{43})$/.exec(line)!
  expect((await fetch(url!)).status).toBe(401)
  const first = await fetch(`${url}?token=${token}`, { redirect: 'manual' })
  expect(first.status).toBe(303)
  const cookie = first.headers.get('set-cookie')!.split(';')[0]!
  const page = await fetch(url!, { headers: { cookie } })
  const html = await page.text()
  expect(html).toContain('<meta name="factflow-server" content="api">')
  const scripts = [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, address]) => address!)
  expect(scripts.length).toBeGreaterThan(1)
  for (const address of [...scripts, 'facts.json', 'models.json', 'ort/ort-wasm-simd-threaded.mjs']) {
    const file = await fetch(`${url}${address}`, { headers: { cookie } })
    expect({ address, status: file.status, size: (await file.arrayBuffer()).byteLength > 0 }).toEqual({
      ...{ address, status: 200, size: true },
    })
  }
  child.kill('SIGTERM')
  expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect((await ended).stdout).toMatch(
    /^factflow is at .*\nIt serves the embedded models\. The address is for you alone; Ctrl-C ends the server\.\n$/,
  )
})

test('answers about models and runs that it was given; Ctrl-C ends a call that is under way', async () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'runs'))
  await storeSample(join(folder, 'runs', 'sample'))
  const args = ['--model', RANDOM_MODEL, '--json', '--threads', '2', '--memory', '1GB', '--offline']
  const { child, line, ended } = await running(args, folder)
  const { url, token, port, models, studies } = JSON.parse(line) as Record<string, never>
  expect({ port: Number(new URL(url).port), models, studies }).toEqual({
    ...{ port, models: [RANDOM_MODEL], studies: ['sample'] },
  })
  const entries = await call(url, token, 'models', {})
  expect(entries).toContainEqual(expect.objectContaining({ name: RANDOM_MODEL, source: 'folder' }))
  expect(await call(url, token, 'study', { study: 'sample' })).toMatchObject({ prompts: 4 })
  const long = 'The capital of France and of Spain and of Italy and of Greece '.repeat(10)
  const ask = { model: { name: 'tiny-mamba2' }, prompt: 'The capital of France is', knockouts: [] }
  expect(await call(url, token, 'cut', ask)).toMatchObject({ base: { rank: 1 }, knocked: [] })
  const explore = { ...ask, prompt: long, window: 1, target: 'last', features: 'all', flows: [] }
  const { knockouts: _, ...question } = explore
  const under = fetch(new URL('/api/explore', url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(question),
  })
  const reader = (await under).body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toMatch(/^\{"progress":/)
  child.kill('SIGINT')
  expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' })
}, 60_000)

test('what cannot be served is said in words', async () => {
  const folder = temporaryFolder()
  expect(await refuse(['ui', folder])).toContain('must be a run folder')
  expect(await refuse(['ui', '--model', './none'])).toContain('there is no such folder')
  expect(await refuse(['ui', '--model', folder])).toContain('config.json')
  expect(await refuse(['ui', '--port', '0'])).toContain('--port: must be a whole number from 1 to 65535')
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  const { port } = other.address() as { port: number }
  expect(await refuse(['ui', '--port', String(port)])).toContain(
    `must be one that is free on 127.0.0.1, got ${port}`,
  )
  other.close()
})

test('--export writes the app, and again over it, but over nothing else', async () => {
  const folder = temporaryFolder()
  const args = ['ui', '--export', 'site']
  expect(await succeed(args, { cwd: folder })).toMatch(/^wrote \d+ files, \d+ MB, to site\n$/)
  const html = readFileSync(join(folder, 'site', 'index.html'), 'utf8')
  expect(html).not.toContain('factflow-server')
  for (const [, address] of html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)) {
    expect(existsSync(join(folder, 'site', address!))).toBe(true)
  }
  const again = JSON.parse(await succeed([...args, '--json'], { cwd: folder })) as {
    files: number
    bytes: number
  }
  expect(again.files).toBeGreaterThan(20)
  expect(again.bytes).toBeGreaterThan(40e6)
  mkdirSync(join(folder, 'mine'))
  writeFileSync(join(folder, 'mine', 'thesis.txt'), '')
  const refused = await factflow(['ui', '--export', 'mine'], { cwd: folder })
  expect(refused).toMatchObject({ code: 2, stdout: '' })
  expect(refused.stderr).toContain('--export: must be a new or empty folder')
})
