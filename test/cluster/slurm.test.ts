/** Settings, scripts, plans, and Slurm's commands by stand-ins; what runs on a cluster is in slurm-run.test.ts. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { shellLine, shellQuote } from '../../src/cluster/shell.js'
import { indexList, type SlurmRun, sbatchArguments, stageScript } from '../../src/cluster/slurm.js'
import { cancel, parseQueue, queue, submit } from '../../src/cluster/slurm-client.js'
import { readJobs, writeJobs } from '../../src/cluster/slurm-jobs.js'
import { parseSlurm, slurmSchema, slurmSeconds } from '../../src/cluster/slurm-settings.js'
import {
  isReportStale,
  missingPlan,
  missingShards,
  type QueuedPart,
  submitPlan,
  waitsFor,
  wholePlan,
} from '../../src/cluster/slurm-submit.js'
import { InputError } from '../../src/errors.js'
import { STAGES } from '../../src/studies/names.js'

const dir = mkdtempSync(join(tmpdir(), 'factflow-slurm-unit-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** What a script prints; bash reads its own settings where standard input might be another machine's. */
function bash(
  script: string,
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): string {
  return execFileSync('bash', ['-c', script], { ...options, stdio: ['ignore', 'pipe', 'pipe'] }).toString()
}

function runWith(settings: unknown, more: Partial<SlurmRun> = {}): SlurmRun {
  return {
    study: 'capitals',
    file: '/runs/capitals/slurm/study.json',
    out: '/runs/capitals',
    cwd: '/home/me',
    factflow: ['/usr/bin/node', '/opt/factflow/dist/cli/main.js'],
    settings: parseSlurm(settings, 'test'),
    ...more,
  }
}

describe('shell words', () => {
  it('are read by a shell as they were', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((one) => !one.includes('\0'))
    fc.assert(
      fc.property(fc.array(text, { maxLength: 60 }), (words) => {
        // Lone surrogates have no place in a file.
        const wellFormed = words.map((word) => Buffer.from(word).toString())
        expect(
          bash(`printf '%s\\0' ${shellLine(['x', ...wellFormed])}`)
            .split('\0')
            .slice(1, -1),
        ).toEqual(wellFormed)
      }),
      { numRuns: 10 },
    )
  })

  it('have quotes where they need them', () => {
    expect(shellQuote('/a/b-1.json')).toBe('/a/b-1.json')
    expect(shellQuote("it's")).toBe(`'it'\\''s'`)
    expect(shellQuote('')).toBe("''")
    expect(shellQuote('~')).toBe("'~'")
  })
})

describe('settings', () => {
  const message = (json: unknown): string => {
    try {
      parseSlurm(json, 's.json')
    } catch (error) {
      expect(error).toBeInstanceOf(InputError)
      return (error as Error).message
    }
    throw new Error('no error')
  }

  it('have defaults', () => {
    expect(parseSlurm({}, 's.json')).toEqual({
      'cpus-per-task': 4,
      'signal-before': 120,
      shards: 8,
      wait: 1,
      requeues: 100,
      setup: [],
      sbatch: [],
      'report-sbatch': [],
    })
  })

  it.each([
    [{ partitions: 'gpu' }, /settings: must not have the field partitions/],
    [{ shards: 0 }, /shards: must be at least 1, got 0/],
    [{ partition: 'a\nb' }, /partition: must have no line ends and no control characters, got "a\\nb"/],
    [{ setup: ['module load x\nrm y'] }, /setup\[0\]: must have no line ends/],
    [{ time: '4h' }, /time: must be a time as Slurm writes it.*, got "4h"/],
    [{ time: '2', 'signal-before': 120 }, /time must be longer than signal-before \(120 seconds\), got "2"/],
    [{ sbatch: ['reservation=x'] }, /sbatch\[0\]: must have an option of sbatch/],
    [
      { sbatch: ['--array=1-3'] },
      /sbatch\[0\]: must be an option of sbatch that factflow does not set itself/,
    ],
    [{ sbatch: ['-o/x'] }, /sbatch\[0\]: must be an option of sbatch that factflow does not set itself/],
    [{ device: 'gpu' }, /device: must be one of cpu, webgpu, cuda, auto, got "gpu"/],
    [{ memory: 'lots' }, /memory: must have a size such as 4GB or 512MiB, got "lots"/],
    [{ 'cpus-per-task': '4' }, /cpus-per-task: must be of type number, got "4"/],
  ])('%j are refused', (json, expected) => {
    expect(message(json)).toMatch(expected)
    expect(message(json)).toMatch(/^s\.json: .*, got .*; /)
    expect(message(json)).not.toContain('\n')
  })

  it.each([
    ['90', 5400],
    ['1:30', 90],
    ['2:00:05', 7205],
    ['2-12', 216_000],
    ['1-0:30', 88_200],
    ['0-0:0:7', 7],
    ['UNLIMITED', undefined],
    ['', Number.NaN],
    ['1:2:3:4', Number.NaN],
  ])('take the time %s', (text, seconds) => {
    expect(slurmSeconds(text)).toEqual(seconds)
  })

  it('have the schema that is published', () => {
    const file = join(import.meta.dirname, '..', '..', 'docs', 'slurm.schema.json')
    const published: unknown = JSON.parse(readFileSync(file, 'utf8'))
    expect(published).toEqual(JSON.parse(JSON.stringify(z.toJSONSchema(slurmSchema, { io: 'input' }))))
  })
})

describe('batch scripts', () => {
  const settings = {
    partition: 'gpu',
    account: "me & co's",
    gpus: '1',
    mem: '32G',
    time: '4:00:00',
    shards: 32,
    throttle: 8,
    setup: ['module load cuda', 'export X="a b"'],
    sbatch: ['--reservation=night shift'],
    'report-sbatch': ['--partition=cpu'],
    models: ['a', "b's"],
    memory: '8GB',
    tf32: true,
    offline: true,
  }

  it('call sbatch with what was set, in the folder of the scripts', () => {
    const run = runWith(settings)
    const common = ['--open-mode=append', '--requeue', '--signal=TERM@120', '--partition=gpu']
    expect(sbatchArguments(run, 'sweep', { shards: [2, 5, 6, 7], after: ['12', '13'] })).toEqual([
      ...['--parsable', '--job-name=capitals-sweep', '--output=%x-%A_%a.log', ...common],
      ...["--account=me & co's", '--gpus=1', '--mem=32G', '--time=4:00:00', '--cpus-per-task=4'],
      ...['--reservation=night shift', '--array=2,5-7%8', '--dependency=afterany:12:13', 'sweep.sh'],
    ])
    expect(sbatchArguments(run, 'report', { shards: [], after: ['14'] })).toEqual([
      ...['--parsable', '--job-name=capitals-report', '--output=%x-%j.log', ...common],
      ...["--account=me & co's", '--mem=32G', '--time=4:00:00', '--cpus-per-task=1'],
      ...['--reservation=night shift', '--partition=cpu', '--dependency=afterany:14', 'report.sh'],
    ])
  })

  it.each(STAGES)('are scripts that bash reads: %s', (stage) => {
    const file = join(dir, `${stage}.sh`)
    writeFileSync(file, stageScript(runWith(settings, { cwd: "/a 'b' $c", out: '/d "e"/`f`' }), stage))
    expect(execFileSync('bash', ['-n', file]).toString()).toBe('')
  })

  /** Run a script with stand-ins for Slurm; returns how it ended, what the worker got, and what Slurm was asked. */
  function execute(stage: (typeof STAGES)[number], run: SlurmRun, env: Readonly<Record<string, string>>) {
    const place = mkdtempSync(join(dir, 'execute-'))
    const program = (name: string, text: string): void => {
      writeFileSync(join(place, name), `#!/bin/bash\n${text}\n`)
      chmodSync(join(place, name), 0o755)
    }
    const words = `printf '%s\\n' "$PWD" "$X" "$SRUN_CPUS_PER_TASK" "$@" > '${place}/got'; exit \${CODE:-0}`
    program('srun', 'while [[ $1 = --* ]]; do shift; done; exec "$@"')
    program('work er', words)
    program('squeue', `echo "squeue $*" >> '${place}/asked'; echo "$STATE"`)
    program('module', '')
    program('scontrol', `echo "scontrol $*" >> '${place}/asked'; exit 1`)
    writeFileSync(join(place, 'asked'), '')
    const script = stageScript({ ...run, cwd: place, factflow: [join(place, 'work er')] }, stage)
    const slurm = { SLURM_ARRAY_JOB_ID: '12', SLURM_ARRAY_TASK_ID: '3', SLURM_CPUS_PER_TASK: '4', ...env }
    let code = 0
    let said = ''
    try {
      const PATH = `${place}:${process.env.PATH}`
      said = bash(script, { env: { PATH, ...slurm }, cwd: '/' })
    } catch (error) {
      const failed = error as { status: number; stdout: Buffer }
      code = failed.status
      said = failed.stdout.toString()
    }
    const lines = (name: string): string[] => readFileSync(join(place, name), 'utf8').split('\n').slice(0, -1)
    return { code, said, place, got: lines('got'), asked: lines('asked') }
  }

  const odd = { file: "/a 'b'/study.json", out: '/c "d" $e' }

  it('run a worker with its shard, after the lines of the settings, where the study was submitted', () => {
    const { code, place, got, asked } = execute('sweep', runWith(settings, odd), {})
    expect(got).toEqual([
      ...[place, 'a b', '4', 'study', "/a 'b'/study.json", '-o', '/c "d" $e', '--stage', 'sweep'],
      ...['--shard', '3/32', '--wait', '1', '--threads', '4', '--models', 'a', "b's"],
      ...['--memory', '8GB', '--device', 'cuda', '--tf32', '--offline'],
    ])
    expect({ code, asked }).toEqual({ code: 0, asked: [] })
  })

  it('run what the settings name, with threads and device of the settings', () => {
    const command = 'env A="b c" "work er" -q'
    const run = runWith({ command, threads: 2, gres: 'tmp:1,gpu:2', device: 'webgpu' }, odd)
    expect(execute('evaluate', run, {}).got.slice(3)).toEqual([
      ...['-q', 'study', "/a 'b'/study.json", '-o', '/c "d" $e', '--stage', 'evaluate'],
      ...['--shard', '3/8', '--threads', '2', '--device', 'webgpu'],
    ])
  })

  it('draw without shares and devices', () => {
    const { got } = execute('report', runWith(settings, odd), {})
    expect(got.slice(3)).toEqual(['study', "/a 'b'/study.json", '-o', '/c "d" $e', '--stage', 'report'])
  })

  const state = 'squeue --noheader --jobs=12_3 --format=%T'
  it.each([
    ['75', 'RUNNING', undefined, [state, 'scontrol requeue 12_3']],
    ['75', 'RUNNING', '99', [state, 'scontrol requeue 12_3']],
    ['75', 'RUNNING', '100', [state]],
    ['143', 'RUNNING', undefined, [state, 'scontrol requeue 12_3']],
    // Slurm is ending it: cancelled, out of time, preempted.
    ['75', 'COMPLETING', undefined, [state]],
    ['75', '', undefined, [state]],
    ['1', 'RUNNING', undefined, []],
    ['137', 'RUNNING', undefined, []],
  ])(
    'of a worker that ends with %s while the task is %j, back %s times, ask Slurm %j',
    (CODE, STATE, times, calls) => {
      const env = { CODE, STATE, ...(times !== undefined && { SLURM_RESTART_COUNT: times }) }
      const { code, said, asked } = execute('sweep', runWith({}), env)
      expect({ code, asked }).toEqual({ code: Number(CODE), asked: calls })
      if (times === '100') expect(said).toContain('task 12_3 has been back in the queue 100 times')
    },
  )

  it('of a report stay out of the queue', () => {
    expect(execute('report', runWith({}), { CODE: '75', STATE: 'RUNNING' })).toMatchObject({
      code: 75,
      asked: [],
    })
  })

  it('name tasks shortly', () => {
    expect(indexList([1, 2, 3, 5, 8, 9])).toBe('1-3,5,8-9')
    expect(indexList([4])).toBe('4')
  })
})

describe('squeue', () => {
  it('is read, but for what is over', () => {
    const text =
      '12|3|RUNNING|None\n12|4|PENDING|JobArrayTaskLimit\n13|N/A|PENDING|(a|b)\n14|N/A|COMPLETED|None\n\n'
    expect(parseQueue(text)).toEqual([
      { id: '12', index: 3, state: 'RUNNING', reason: 'None' },
      { id: '12', index: 4, state: 'PENDING', reason: 'JobArrayTaskLimit' },
      { id: '13', state: 'PENDING', reason: '(a|b)' },
    ])
  })
})

describe('what is submitted', () => {
  const part = (stage: QueuedPart['stage'], index?: number, state = 'RUNNING'): QueuedPart => ({
    ...{ id: { evaluate: '1', sweep: '2', report: '3' }[stage], stage, state, reason: 'None' },
    ...(index !== undefined && { index }),
  })
  const nothing = { evaluate: [], sweep: [], report: false }

  it('is everything at first', () => {
    expect(wholePlan(runWith({ shards: 2 }))).toEqual({
      wanted: [
        { stage: 'evaluate', shards: [1, 2] },
        { stage: 'sweep', shards: [1, 2] },
        { stage: 'report', shards: [] },
      ],
      replaced: [],
    })
  })

  it('is what is missing and not on its way, with one report behind all', () => {
    const missing = { evaluate: [2, 5], sweep: [1, 2, 5], report: true }
    const queued = [part('evaluate', 5), part('sweep', 1, 'PENDING'), part('report', undefined, 'PENDING')]
    expect(missingPlan(missing, queued)).toEqual({
      wanted: [
        { stage: 'evaluate', shards: [2] },
        { stage: 'sweep', shards: [2, 5] },
        { stage: 'report', shards: [] },
      ],
      replaced: ['3'],
    })
  })

  it('is nothing, or the report alone', () => {
    const report = { wanted: [{ stage: 'report', shards: [] }], replaced: [] }
    expect(missingPlan(nothing, [])).toEqual({ wanted: [], replaced: [] })
    expect(missingPlan({ ...nothing, report: true }, [])).toEqual(report)
    expect(missingPlan({ ...nothing, report: true }, [part('report')])).toEqual({ wanted: [], replaced: [] })
    // All that is missing is on its way, but nobody draws it.
    expect(missingPlan({ ...nothing, sweep: [1] }, [part('sweep', 1)])).toEqual(report)
  })

  it('waits for all stages before it, in the queue or new', () => {
    const submitted = [{ id: '9', stage: 'evaluate' as const }]
    expect(waitsFor('evaluate', submitted, [part('evaluate', 1)])).toEqual([])
    expect(waitsFor('sweep', submitted, [part('evaluate', 1), part('evaluate', 2)])).toEqual(['1', '9'])
    expect(waitsFor('report', submitted, [part('sweep', 1)])).toEqual(['2', '9'])
  })

  const count = (done: number, total = 4) => ({ done, total })
  const shard = (index: number, evaluated: number, swept: number | undefined) => ({
    ...{ index, count: 2, state: 'missing' as const, missing: true },
    ...{ evaluated: count(evaluated), swept: swept === undefined ? undefined : count(swept) },
  })
  const model = (evaluated: number) => ({
    ...{ model: 'a', evaluated: count(evaluated), swept: undefined, failed: undefined },
  })
  it.each([
    ['all sweeps while evaluations are', [shard(1, 4, undefined), shard(2, 3, undefined)], 3, [2], [1, 2]],
    ['sweeps that are', [shard(1, 4, 4), shard(2, 4, 1)], 4, [], [2]],
    ['all of what is of no shard in particular', [shard(1, 4, 4), shard(2, 4, 4)], 4, [], [1, 2]],
    [
      'evaluations of models of unknown size',
      [shard(1, 4, undefined), shard(2, 4, undefined)],
      2,
      [1, 2],
      [1, 2],
    ],
  ])('are missing: %s', (_, shards, evaluated, evaluate, sweep) => {
    const standing = { models: [model(evaluated)], shards, complete: false }
    expect(missingShards(standing, true)).toEqual({ evaluate, sweep, report: true })
  })
})

describe('commands of Slurm', () => {
  const { PATH } = process.env
  afterEach(() => {
    process.env.PATH = PATH
  })
  /** Only these programs are there, each a script of bash. */
  function only(programs: Readonly<Record<string, string>>): string {
    const place = mkdtempSync(join(dir, 'path-'))
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(join(place, name), `#!/bin/bash\n${text}\n`)
      chmodSync(join(place, name), 0o755)
    }
    process.env.PATH = place
    return place
  }

  it('that are missing say where there are some', async () => {
    only({})
    await expect(submit(['--parsable'], dir)).rejects.toThrow(
      new InputError(
        'sbatch: must be a command of this machine, got none; run this on a login node of the cluster, or see with --dry-run what it would do',
      ),
    )
  })

  it('that fail say what they said', async () => {
    only({ sbatch: 'echo "sbatch: error: no" >&2; echo "sbatch: error: not at all" >&2; exit 1' })
    await expect(submit([], dir)).rejects.toThrow(
      new InputError('sbatch: must succeed, got "no; not at all"; change the settings'),
    )
    only({ squeue: 'echo "squeue: error: Unable to contact slurm controller" >&2; exit 1' })
    await expect(queue(['1'])).rejects.toThrow(
      new InputError(
        'squeue: must succeed, got "Unable to contact slurm controller"; run this on a login node of the cluster, see that SLURM_CONF is right where it is set, or try again later',
      ),
    )
    only({ squeue: 'echo "squeue: error: Unexpected message received" >&2; exit 1' })
    await expect(queue(['1'])).rejects.toThrow(
      new InputError('squeue: must succeed, got "Unexpected message received"; try again'),
    )
    only({ scancel: 'exit 3' })
    await expect(cancel(['1'])).rejects.toThrow(/^scancel: must succeed, got "Command failed/)
  })

  it('know nothing of jobs that ended long ago', async () => {
    only({ squeue: 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1' })
    expect(await queue(['1'])).toEqual([])
    only({})
    expect(await queue([])).toEqual([])
  })

  it('give the number of a job, with or without a cluster', async () => {
    only({ sbatch: 'echo "$1"' })
    expect(await submit(['12'], dir)).toBe('12')
    expect(await submit(['12;east'], dir)).toBe('12')
    await expect(submit(['Submitted batch job'], dir)).rejects.toThrow(
      /^sbatch: must print the number of the job, got "Submitted/,
    )
  })

  it('are asked for everything or nothing', async () => {
    const out = join(dir, 'half')
    const run = runWith({ shards: 2 }, { out, file: join(out, 'slurm', 'study.json') })
    const count = 'n=$(($(<../n) + 1)); echo $n > ../n'
    const place = only({
      sbatch: `${count}; echo "$*" >> ../calls; if [ $n = 3 ]; then echo "sbatch: error: full" >&2; exit 1; fi; echo $n`,
      scancel: `echo "$*" > '${join(dir, 'cancelled')}'`,
    })
    expect(place).not.toBe('')
    mkdirSync(out)
    writeFileSync(join(out, 'n'), '0')
    const task = submitPlan(run, wholePlan(run), { study: { name: 'capitals' }, queued: [] })
    await expect(task).rejects.toThrow(
      new InputError('sbatch: must succeed, got "full"; change the settings'),
    )
    expect(readFileSync(join(dir, 'cancelled'), 'utf8')).toBe('1 2\n')
    expect(await readJobs(out)).toBeUndefined()
    // Jobs whose cancelling failed would need them.
    expect(existsSync(join(out, 'slurm', 'sweep.sh'))).toBe(true)

    writeFileSync(join(out, 'n'), '10')
    const jobs = await submitPlan(run, wholePlan(run), { study: { name: 'capitals' }, queued: [] })
    expect(jobs.map(({ id, stage, shards }) => ({ id, stage, shards }))).toEqual([
      { id: '11', stage: 'evaluate', shards: [1, 2] },
      { id: '12', stage: 'sweep', shards: [1, 2] },
      { id: '13', stage: 'report', shards: undefined },
    ])
    const calls = readFileSync(join(out, 'calls'), 'utf8').split('\n').slice(-3, -1)
    expect(calls[0]).toMatch(/ --array=1-2 --dependency=afterany:11 sweep\.sh$/)
    expect(calls[1]).toMatch(/ --dependency=afterany:11:12 report\.sh$/)
    expect((await readJobs(out))?.jobs).toEqual(jobs)
    expect(readFileSync(join(out, 'slurm', 'sweep.sh'), 'utf8')).toBe(stageScript(run, 'sweep'))
    expect(JSON.parse(readFileSync(run.file, 'utf8'))).toEqual({ name: 'capitals' })
  })
})

describe('jobs.json', () => {
  it('that is damaged is not guessed at', async () => {
    const out = join(dir, 'damaged')
    mkdirSync(join(out, 'slurm'), { recursive: true })
    writeFileSync(join(out, 'slurm', 'jobs.json'), '{"format":"factflow-slurm/1"')
    await expect(readJobs(out)).rejects.toThrow(
      /jobs\.json: must be what factflow slurm wrote, got .*; cancel/,
    )
    writeFileSync(join(out, 'slurm', 'jobs.json'), '{"format":"factflow-slurm/2"}')
    await expect(readJobs(out)).rejects.toThrow(/jobs\.json: must be what factflow slurm wrote, got "format"/)
  })

  it('comes back as it was written', async () => {
    const out = join(dir, 'written')
    mkdirSync(join(out, 'slurm'), { recursive: true })
    const settings = parseSlurm({ gpus: '1' }, 'test')
    const jobs = [{ id: '1', stage: 'evaluate' as const, shards: [1], submitted: '2025-01-01T00:00:00Z' }]
    await writeJobs(out, { study: 'a', cwd: '/', settings, jobs })
    expect(await readJobs(out)).toEqual({ study: 'a', cwd: '/', settings, jobs })
  })
})

describe('a report', () => {
  it('is stale when it is missing or older than a part', async () => {
    const out = join(dir, 'stale')
    mkdirSync(out)
    const stale: boolean[] = []
    for (const [i, name] of ['part-1.parquet', 'report.html', 'part-2.parquet'].entries()) {
      writeFileSync(join(out, name), '')
      utimesSync(join(out, name), i, i)
      stale.push(await isReportStale(out))
    }
    expect(stale).toEqual([true, false, true])
  })
})
