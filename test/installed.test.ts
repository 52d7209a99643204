/** The package as npm packs it, installed in an empty project: in Node, for TypeScript, in a bundler and its page. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildPage, inChromium, launch, openPage, serve } from './browser/harness.js'

const ROOT = resolve(import.meta.dirname, '..')
/** Milliseconds: packages are fetched. */
const INSTALL_MS = 600_000
/** Two float32 computations of 24 layers. */
const TOLERANCE = 1e-5

let project: string

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'factflow-installed-'))
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', project], { cwd: ROOT, encoding: 'utf8' }),
  ) as [{ filename: string }]
  write('package.json', '{"name":"project","private":true,"type":"module"}')
  run('npm', ['install', `./${filename}`, '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'])
}, INSTALL_MS)

afterAll(() => {
  rmSync(project, { recursive: true, force: true })
}, 60_000)

function write(name: string, text: string): void {
  mkdirSync(join(project, name, '..'), { recursive: true })
  writeFileSync(join(project, name), text)
}

/** What a command prints that must succeed. */
function run(file: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd: project, encoding: 'utf8' })
  if (error) throw error
  expect(status, stdout + stderr).toBe(0)
  return stdout
}

const factflow = (...args: string[]): string => run('npx', ['--no-install', 'factflow', ...args])

describe('in Node', () => {
  test('all that it needs comes with it, and nothing that only its development needs', () => {
    // Fails where something is missing or of a wrong version.
    run('npm', ['ls', '--all', '--omit=dev'])
    const installed = readdirSync(join(project, 'node_modules'))
    for (const name of ['vite', 'vitest', 'typescript', 'playwright-core', 'kubernetes-models']) {
      expect(installed).not.toContain(name)
    }
  })

  test('nothing needs its install script: those that have one are known to work without', () => {
    const lock = JSON.parse(readFileSync(join(project, 'node_modules', '.package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: true }>
    }
    const scripted = Object.keys(lock.packages).filter((name) => lock.packages[name]!.hasInstallScript)
    // The one fetches CUDA libraries, the other warns of versions of itself.
    expect(scripted.sort()).toEqual(['node_modules/onnxruntime-node', 'node_modules/protobufjs'])
  })

  test('the library by its names', () => {
    write(
      'use.js',
      `import { KNOWN_MODELS, loadModel } from 'factflow'
import { parseStudy, Results } from 'factflow/studies'
const study = parseStudy({ name: 'mine', models: ['tiny-gpt2'], data: 'atlas' }, 'mine')
const model = await loadModel('tiny-gpt2', { threads: 1 })
const { base } = await model.trace('Manila is the capital of', { subject: 'Manila', flows: [] })
await model.close()
console.log(KNOWN_MODELS.length > 20, typeof Results.open, study.name, base.rank)
`,
    )
    expect(run(process.execPath, ['use.js'])).toBe('true function mine 1\n')
  })

  test('the command: one fact, a share of a study, the web app as files', () => {
    const traced = factflow('trace', 'Manila is the capital of', '--subject', 'Manila', '--json')
    expect(JSON.parse(traced)).toMatchObject({ base: { rank: 1 } })
    factflow('study', 'demo', '--models', 'tiny-gpt2', '--stage', 'evaluate', '--shard', '1/8', '-o', 'run')
    const status = JSON.parse(factflow('status', 'run', '--models', 'tiny-gpt2', '--json')) as {
      models: { evaluated: { done: number; total: number } }[]
    }
    const [{ evaluated }] = status.models as [{ evaluated: { done: number; total: number } }]
    expect(evaluated.done).toBeGreaterThan(0)
    expect(evaluated.done).toBeLessThan(evaluated.total)
    factflow('ui', '--export', 'site')
    expect(readdirSync(join(project, 'site'))).toEqual(
      expect.arrayContaining(['index.html', 'ort', 'models']),
    )
  }, 240_000)

  test('objects for Kubernetes', () => {
    const text = factflow('kubernetes', 'demo', '--image', 'factflow', '--claim', 'runs', '--json')
    expect((JSON.parse(text) as { items: { kind: string }[] }).items.map(({ kind }) => kind)).toEqual([
      'ConfigMap',
      'Job',
      'Job',
    ])
  })
})

// Also the types of the libraries that it names are checked: no skipLibCheck.
test.each(['NodeNext', 'Bundler'])(
  'its types hold by themselves (moduleResolution %s)',
  (resolution) => {
    write(
      'types.ts',
      `import { InputError, loadModel, type Trace } from 'factflow'
import { parseStudy, Results, runStudy } from 'factflow/studies'
import { openWebModel } from 'factflow/web'
const model = await loadModel('tiny-mamba1')
const traced: Trace = await model.trace('Manila is the capital of', { subject: 'Manila' })
export const p: number = traced.heatmap.knocked[0]![0]!.prob
const web = await openWebModel({ hub: 'owner/model' }, { assets: '/ort/' })
export const same: typeof model = web
const results: Results = await Results.open(['run'])
export const rows: Promise<unknown[]> = results.rows('SELECT 1')
export const outcome = runStudy(parseStudy({}, 'study'), { out: 'run' })
export const isOurs = (error: unknown): boolean => error instanceof InputError
// @ts-expect-error a study has a folder to run in
export const nowhere = runStudy(parseStudy({}, 'study'), {})
`,
    )
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const module = resolution === 'NodeNext' ? 'NodeNext' : 'ESNext'
    const options = ['--strict', '--noEmit', '--target', 'ES2022', '--types', '']
    expect(
      run(process.execPath, [
        tsc,
        ...options,
        '--module',
        module,
        '--moduleResolution',
        resolution,
        'types.ts',
      ]),
    ).toBe('')
  },
  120_000,
)

describe('in a bundler', () => {
  test('a page of Vite has a worker that computes, and nothing of Node', async () => {
    write(
      'page/index.html',
      '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>',
    )
    write(
      'page/main.js',
      `const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
window.answer = new Promise((done) => {
  worker.onmessage = ({ data }) => done(data)
})
`,
    )
    write(
      'page/worker.js',
      `import { openWebModel } from 'factflow/web'
const work = async () => {
  const model = await openWebModel({ embedded: 'tiny-gpt2', base: new URL('/models/', location.origin).href }, { assets: new URL('/ort/', location.origin).href, device: 'wasm' })
  const { base } = await model.trace('Manila is the capital of', { subject: 'Manila', flows: [] })
  return base.prob
}
work().then(postMessage, (error) => postMessage(String(error)))
`,
    )
    const built = await buildPage(join(project, 'page'))
    try {
      const scripts = readdirSync(join(built.dir, 'assets')).filter((name) => name.endsWith('.js'))
      const text = scripts.map((name) => readFileSync(join(built.dir, 'assets', name), 'utf8')).join('\n')
      expect(text).toContain('openWebModel')
      expect(text).not.toMatch(/\b(?:from|import)\s*\(?\s*["'](?:node:|fs|path|os|worker_threads)/)
      expect(text).not.toContain('__vite-browser-external')
      if (!inChromium) return
      const served = await serve({
        folders: {
          '/': built.dir,
          '/models/': join(project, 'node_modules', 'factflow', 'models'),
          '/ort/': join(project, 'node_modules', 'onnxruntime-web', 'dist'),
        },
      })
      const browser = await launch()
      try {
        const { page, complaints } = await openPage(browser, served.url)
        const answer = await page.evaluate('window.answer')
        write(
          'same.js',
          `import { loadModel } from 'factflow'
const model = await loadModel('tiny-gpt2', { threads: 1 })
const { base } = await model.trace('Manila is the capital of', { subject: 'Manila', flows: [] })
console.log(base.prob)
await model.close()
`,
        )
        const wanted = Number(run(process.execPath, ['same.js']))
        expect(Math.abs(Number(answer) - wanted)).toBeLessThan(TOLERANCE)
        expect(complaints).toEqual([])
      } finally {
        await browser.close()
        await served.close()
      }
    } finally {
      built.remove()
    }
  }, 240_000)
})
