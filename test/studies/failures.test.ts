/**
 * What can go wrong around a study, for real: full and read-only disks, memory that runs out, checkpoints and folders
 * that vanish. Each is a clear error, loses nothing, and the next run goes on to the tables of a run without failures.
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Results } from '../../src/results/results.js'
import { TABLES } from '../../src/results/tables.js'
import { runStudy } from '../../src/studies/run.js'
import { parseStudy } from '../../src/studies/study.js'
import { factflow, MAIN, type Result, ROOT, start, succeed } from '../cli/command.js'
import { CAN_MOUNT, SmallDisk } from '../helpers/mount.js'

const FIRST = join(ROOT, 'test', 'fixtures', 'trained', 'first')
const FACTS = [
  { id: 'os', prompt: 'Chrome OS was developed by engineers at', subject: 'Chrome OS', answer: 'Google' },
  {
    id: 'ridge',
    prompt: 'Geographers place Elkhorn Ridge in',
    subject: 'Elkhorn Ridge',
    answer: 'Antarctica',
  },
  { id: 'greece', prompt: 'The continent to which Greece belongs is', subject: 'Greece', answer: 'Europe' },
]
const STUDY = {
  name: 'failing',
  models: [
    { model: 'gpt2', label: 'gpt' },
    { model: 'mamba1', label: 'mamba' },
  ],
  data: { source: 'facts.jsonl', name: 'facts' },
  promptSets: { correct: { known: 'correct' } },
  evaluate: { continuation: 1 },
  infoFlow: { promptSets: ['correct'], windows: [4], flows: ['subject', 'last'] },
  heatmaps: { promptSet: 'correct', count: 1, windows: [4] },
  figures: [
    {
      kind: 'curves',
      name: 'curves',
      lines: 'source',
      columns: 'model',
      where: { window: [4], features: ['all'], promptSet: ['correct'] },
    },
  ],
}
/** Milliseconds. */
const TIMEOUT = 1_200_000

/** Models, data and the study; every test has a run folder of its own. */
let place: string
let out: string
let expected: unknown[][]
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'factflow-failures-'))
  for (const name of ['gpt2', 'mamba1']) {
    await cp(join(FIRST, `tiny-${name}`), join(place, name), { recursive: true })
  }
  await writeFile(join(place, 'facts.jsonl'), FACTS.map((fact) => JSON.stringify(fact)).join('\n'))
  await writeFile(join(place, 'study.json'), JSON.stringify(STUDY))
  out = join(place, 'whole')
  await succeed(study(), { cwd: place })
  expected = await tables()
}, TIMEOUT)
afterAll(async () => {
  await rm(place, { recursive: true, force: true })
})

let count = 0
beforeEach(async () => {
  out = join(place, `run-${count++}`)
  await mkdir(out)
})
afterEach(async () => {
  await rm(out, { recursive: true, force: true }).catch(() => undefined)
})

const study = (...more: string[]): string[] => [
  'study',
  'study.json',
  '--threads',
  '1',
  '--out',
  out,
  ...more,
]
const run = (...more: string[]): Promise<Result> => factflow(study(...more), { cwd: place })

async function tables(): Promise<unknown[][]> {
  const results = await Results.open([out], { verify: true })
  try {
    expect(results.leftOut).toEqual([])
    return await Promise.all(
      Object.keys(TABLES).map((name) => results.rows(`SELECT * EXCLUDE (run) FROM ${name} ORDER BY ALL`)),
    )
  } finally {
    results.close()
  }
}

/** The next run goes on to the end; nothing was lost and nothing half is left. */
async function expectMended(): Promise<void> {
  const { code, stderr } = await run()
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(await tables()).toEqual(expected)
  const files = await readdir(out)
  expect(files.filter((file) => file.startsWith('.'))).toEqual([])
  expect(files).not.toContain('set-aside')
}

/** Exit code 2, one line that says why. */
function expectRefused({ code, stderr }: Result, message: RegExp): void {
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) })
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^error: .*: .*, got .*; .*$/)
}

describe.skipIf(!CAN_MOUNT)(
  'a disk (skipped where this process cannot mount one)',
  { timeout: TIMEOUT },
  () => {
    let disk: SmallDisk
    beforeEach(() => {
      disk = new SmallDisk(out, 4)
    })
    afterEach(() => {
      disk.close()
    })

    it('that is full at any place of a study is an error that says so', async () => {
      const files = new Set<string>()
      let done = 0
      for (const kilobytes of [8, 20, 40, 64, 88, 120, 300, 700, 1200]) {
        disk.change(`size=${kilobytes}k`)
        const result = await run()
        if (result.code === 0) break
        expectRefused(result, /(No space left|ENOSPC).*make room/)
        files.add(/^error: (.*?)(\/\.|: )/m.exec(result.stderr)![1]!.slice(out.length))
        const parts = (await readdir(out)).filter((file) => file.endsWith('.parquet')).length
        // What was stored stays.
        expect(parts).toBeGreaterThanOrEqual(done)
        done = parts
      }
      process.stdout.write(
        `the disk was full at ${[...files].map((file) => file || 'the folder').join(', ')}\n`,
      )
      expect(files.size).toBeGreaterThan(3)
      disk.change('size=64m')
      await expectMended()
    })

    it('that may not be written to is an error of the study, and can be read', async () => {
      disk.change('size=64m')
      expect((await run()).code).toBe(0)
      disk.change('ro')
      expectRefused(
        await run(),
        /must be a folder that can be written to, got EROFS: read-only file system; change/,
      )
      const json = await succeed(['results', out, '--table', 'knockouts', '--json'], { cwd: place })
      expect(JSON.parse(json)).toHaveLength(expected[0]!.length)
      disk.change('rw')
      await expectMended()
    })
  },
)

describe.skipIf(process.getuid?.() !== 0)('another user (skipped unless root runs the tests)', () => {
  it('is told which folder may not be written to, and which weights not be read', {
    timeout: TIMEOUT,
  }, async () => {
    const asNobody = (...args: string[]): Promise<Result> => {
      const child = spawn(process.execPath, [MAIN, ...args], { cwd: place, uid: 65534, gid: 65534 })
      child.stdin.end()
      const result = { stdout: '', stderr: '' }
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].setEncoding('utf8').on('data', (text: string) => {
          result[name] += text
        })
      }
      return new Promise((done) => child.on('close', (code) => done({ code, ...result })))
    }
    const { chmod, chown } = await import('node:fs/promises')
    await chmod(place, 0o755)
    expectRefused(
      await asNobody(...study()),
      /must be a folder that can be written to, got EACCES: permission denied/,
    )
    await chown(out, 65534, 65534)
    const weights = join(place, 'gpt2', 'model.safetensors')
    await chmod(weights, 0)
    const { code, stderr } = await asNobody(...study())
    await chmod(weights, 0o644)
    expect(code).toBe(1)
    expect(stderr).toContain(
      'gpt cannot be computed: gpt2/model.safetensors: must be readable, got permission denied (EACCES); change its permissions',
    )
    await expectMended()
  })
})

it('a run folder that is removed while a study runs is an error', { timeout: TIMEOUT }, async () => {
  const child = start(study(), { cwd: place })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.end()
  child.stdout.resume()
  const ended = new Promise<number | null>((done) => child.on('close', done))
  while (!(await readdir(out)).some((file) => file.startsWith('evaluation-'))) await sleep(5)
  await rename(out, `${out}-moved`)
  const code = await ended
  expectRefused(
    { code, stdout: '', stderr },
    // Where it is missed first, when a part is written or when the stored ones are looked at, is a matter of chance.
    /must stay while results are added to it, got no such folder any more|must be a run folder with run.json, got none/,
  )
  await rename(`${out}-moved`, out)
  await expectMended()
})

describe('a checkpoint', { timeout: TIMEOUT }, () => {
  const weights = (): string => join(place, 'gpt2', 'model.safetensors')

  it('that is cut keeps its model from being computed, and no other', async () => {
    const { size } = await stat(weights())
    await cp(weights(), join(place, 'weights'))
    await truncate(weights(), size - 1000)
    const { code, stderr } = await run()
    await rename(join(place, 'weights'), weights())
    expect(code).toBe(1)
    expect(stderr).toMatch(/^note: gpt cannot be computed: gpt2\/model\.safetensors: .*, got .*$/m)
    await expectMended()
  })

  it('that is cut while its layers are loaded in turn is an error of its model', async () => {
    await cp(weights(), join(place, 'weights'))
    const { size } = await stat(weights())
    const json = {
      ...STUDY,
      models: STUDY.models.map(({ model, label }) => ({ model: join(place, model), label })),
    }
    const parsed = parseStudy(
      { ...json, data: { ...STUDY.data, source: join(place, 'facts.jsonl') } },
      'study',
    )
    let cut = false
    const notes: string[] = []
    const { failed } = await runStudy(parsed, {
      ...{ out, threads: 1, memory: 24e6, onNote: (text) => notes.push(text) },
      progress: (label, task) =>
        task(() => {
          if (cut || label !== 'gpt: sweep') return
          cut = true
          void truncate(weights(), Math.floor(size / 3))
        }),
    })
    await rename(join(place, 'weights'), weights())
    expect(notes.join('\n')).toContain('gpt does not fit in the memory whole')
    expect(failed).toEqual([
      {
        model: 'gpt',
        message: expect.stringMatching(/model\.safetensors: must hold .*, got .*: it shrank while open/),
      },
    ])
    const results = await Results.open([out])
    expect(await results.rows('SELECT DISTINCT model FROM curves')).toEqual([{ model: 'mamba' }])
    results.close()
  })
})

describe('memory', { timeout: TIMEOUT }, () => {
  /** Run under a limit on the memory of the process, or of its JavaScript. */
  function limited(prefix: string, args = study()): Promise<Result & { readonly signal: string | null }> {
    const child = spawn('sh', ['-c', `${prefix} "$0" "$@"`, process.execPath, MAIN, ...args], {
      cwd: place,
    })
    const result = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        result[name] += text
      })
    }
    child.stdin.end()
    return new Promise((done) => child.on('close', (code, signal) => done({ code, signal, ...result })))
  }

  it.skipIf(process.platform !== 'linux')(
    'that ONNX Runtime does not get is an error of the model',
    async () => {
      // The limit is looked for: what ONNX Runtime asks for is most of what this evaluation takes.
      const json = {
        name: 'memory',
        models: ['tiny-mamba1'],
        data: { source: 'atlas', sample: 60 },
        figures: [],
      }
      await writeFile(join(place, 'memory.json'), JSON.stringify({ ...json, evaluate: { continuation: 0 } }))
      const args = ['study', 'memory.json', '--stage', 'evaluate', '--threads', '2', '--out', out]
      let told: Awaited<ReturnType<typeof limited>> | undefined
      for (let megabytes = 600; megabytes >= 240 && !told; megabytes -= 15) {
        const result = await limited(`ulimit -d ${megabytes * 1024}; exec`, args)
        if (result.stderr.includes('memory: must suffice for')) told = result
        if (result.code === 0) await rm(out, { recursive: true })
      }
      expect(told).toMatchObject({ code: 1, signal: null })
      expect(told!.stderr).toMatch(
        /tiny-mamba1 cannot be computed: memory: must suffice for .*, got ".*"; give factflow less of it with --memory/,
      )
      // What it had stored is kept.
      expect((await factflow(args, { cwd: place })).code).toBe(0)
      const sql = 'SELECT count(*) AS n FROM evaluations'
      const counted = await succeed(['results', out, '--sql', sql, '--json'], { cwd: place })
      expect(JSON.parse(counted)).toEqual([{ n: 60 }])
    },
  )

  it('of JavaScript that runs out ends the process; the next goes on', async () => {
    const { code, signal, stderr } = await limited('exec env NODE_OPTIONS=--max-old-space-size=24')
    expect(code === 134 || signal === 'SIGABRT' || code === 133 || signal === 'SIGTRAP').toBe(true)
    expect(stderr).toContain('heap')
    await expectMended()
  })
})
