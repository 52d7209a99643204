/** The built package as a user gets it: what is in it, and that it works by its name. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
/** A project in which factflow is installed. */
let project: string

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'factflow-package-'))
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(root, join(project, 'node_modules', 'factflow'))
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
})

afterAll(() => {
  rmSync(project, { recursive: true, force: true })
})

function run(file: string, args: readonly string[]): string {
  return execFileSync(file, args, { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

test('npm packs what is needed to run, and nothing else', () => {
  const report = execFileSync('npm', ['pack', '--dry-run', '--json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ files, size }] = JSON.parse(report) as [{ files: { path: string }[]; size: number }]
  const paths = files.map(({ path }) => path)
  expect(paths).toEqual(
    expect.arrayContaining([
      'README.md',
      'LICENSE',
      'package.json',
      'dist/index.js',
      'dist/web.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'data/atlas.jsonl',
      'models/tiny-mamba1/config.json',
      'models/tiny-mamba1/model.safetensors',
      'models/tiny-mamba1/tokenizer.json',
      'models/tiny-mamba2/model.safetensors',
      'models/tiny-gpt2/model.safetensors',
    ]),
  )
  expect(
    paths.filter(
      (path) =>
        !/^(dist|models|data)\/|^docs\/[^/]+\.(md|json)$|^[A-Z]+\.md$|^LICENSE$|^package\.json$/.test(path),
    ),
  ).toEqual([])
  // Messages and the README name pages of docs/.
  const named = readFileSync(join(root, 'README.md'), 'utf8').match(/docs\/[\w-]+\.md/g)
  expect(paths).toEqual(expect.arrayContaining(named!))
  expect(
    paths.filter((path) => /test|fixture|\bbench|\.part$|\.tsx?$/.test(path) && !path.endsWith('.d.ts')),
  ).toEqual([])
  // Megabytes: what a user downloads.
  expect(size / 1e6).toBeLessThan(20)
})

test('the command of the package has its first line', () => {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    bin: Record<string, string>
  }
  expect(Object.keys(bin)).toEqual(['factflow'])
  expect(readFileSync(join(root, bin.factflow!), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
})

describe('import { ... } from "factflow"', () => {
  test('does nothing by itself: no output, no open handle, no change of the process', () => {
    writeFileSync(
      join(project, 'import.js'),
      `const look = () => JSON.stringify([Object.keys(globalThis), process.env, process.cwd(), process.eventNames(),
  process.listenerCount('SIGINT'), process.exitCode ?? null])
const before = look()
const factflow = await import('factflow')
if (look() !== before) throw new Error(before + ' became ' + look())
if (typeof factflow.loadModel !== 'function') throw new Error('no loadModel')
`,
    )
    // A handle left open would run into the time limit of the test.
    expect(run(process.execPath, ['import.js'])).toBe('')
  })

  test('the part for browsers has its own name', () => {
    writeFileSync(
      join(project, 'web.js'),
      `import { openWebModel } from 'factflow/web'
await openWebModel({ embedded: 'tiny-gpt2' }, { assets: 'http://localhost/', device: 'cuda' }).catch(({ name }) => console.log(name))
`,
    )
    expect(run(process.execPath, ['web.js'])).toBe('InputError\n')
  })

  test('computes', () => {
    writeFileSync(
      join(project, 'trace.js'),
      `import { loadModel } from 'factflow'
const model = await loadModel('tiny-mamba1', { threads: 1 })
const { base } = await model.trace('Manila is the capital of', { subject: 'Manila', window: 24, flows: [] })
console.log(base.rank, base.prob)
await model.close()
`,
    )
    const [rank, prob] = run(process.execPath, ['trace.js']).split(' ').map(Number)
    expect(rank).toBe(1)
    expect(prob).toBeGreaterThan(0.5)
  })

  test.each(['NodeNext', 'Bundler'])('has types (moduleResolution %s)', (resolution) => {
    writeFileSync(
      join(project, 'types.ts'),
      `import { loadModel, InputError, type Trace } from 'factflow'
const model = await loadModel('tiny-mamba1')
const traced: Trace = await model.trace('Manila is the capital of', { subject: 'Manila', answer: 'Philippines' })
export const p: number = traced.heatmap.knocked[0]![0]!.prob
// @ts-expect-error window is a number
await model.trace('a', { subject: 'a', window: '9' })
export const isOurs = (error: unknown): boolean => error instanceof InputError
`,
    )
    const module = resolution === 'NodeNext' ? 'NodeNext' : 'ESNext'
    const options = ['--strict', '--noEmit', '--target', 'ES2022', '--types', '', '--module', module]
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    expect(
      run(process.execPath, [
        tsc,
        ...options,
        '--moduleResolution',
        resolution,
        '--skipLibCheck',
        'types.ts',
      ]),
    ).toBe('')
  })

  test('has no other way in', () => {
    writeFileSync(join(project, 'deep.js'), `await import('factflow/dist/model.js')`)
    expect(() => run(process.execPath, ['deep.js'])).toThrow(/ERR_PACKAGE_PATH_NOT_EXPORTED/)
  })
})
