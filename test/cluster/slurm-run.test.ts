/**
 * `factflow slurm` on a real Slurm: a study in eight shards whose workers are killed, preempted and told to stop, against
 * the same study in one process; time limits, requeues, the throttle, cancelling, with stand-ins for the worker.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isRunning } from '../../src/checkpoints/alive.js'
import { Results } from '../../src/results/results.js'
import { TABLES } from '../../src/results/tables.js'
import { readWorkers, type Worker, workerShard, workerState } from '../../src/studies/worker-file.js'
import { factflow, type Result } from '../cli/command.js'
import { noCluster, SlurmCluster, until } from './slurm-cluster.js'

const reason = noCluster()
if (reason !== undefined) process.stdout.write(`slurm-run.test.ts is skipped: ${reason}\n`)

/** Milliseconds for something to happen on a machine that others use. */
const PATIENCE = 240_000
const TIMEOUT = 900_000
const SHARDS = 8
/** One model under several names: each is units of work of its own, of a few seconds. */
const MODELS = { 'tiny-mamba1': 3, 'tiny-gpt2': 3, 'tiny-mamba2': 2 }

const STUDY = {
  name: 'sharded',
  models: Object.entries(MODELS).flatMap(([model, times]) =>
    Array.from({ length: times }, (_, i) => ({ model, label: `${model}-${i + 1}` })),
  ),
  data: { source: 'atlas', sample: 20 },
  promptSets: { any: { known: 'any' }, shared: { known: 'all-top-5' } },
  evaluate: { continuation: 1, top: 2 },
  infoFlow: { promptSets: 'any' },
  heatmaps: { promptSet: 'shared', count: 2, windows: [3] },
  figures: ['decay-boxes'],
}
/** The same matrices are multiplied in one process and in many. */
const COMPUTE = ['--threads', '1', '--memory', '1GB']

interface Submitted {
  readonly jobs: readonly { readonly id: string; readonly stage: string; readonly shards?: number[] }[]
}

describe.skipIf(reason !== undefined)('a study on a Slurm cluster', () => {
  let cluster: SlurmCluster
  let dir: string
  let file: string
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'factflow-slurm-run-'))
    file = join(dir, 'study.json')
    writeFileSync(file, JSON.stringify(STUDY))
    cluster = await SlurmCluster.start()
  }, TIMEOUT)
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      const runs = readdirSync(dir).filter((name) => existsSync(join(dir, name, 'slurm')))
      const jobs = await cluster.run('scontrol', 'show', 'job')
      process.stdout.write(
        `${jobs}\n${runs.map((name) => `== ${name}\n${logs(join(dir, name))}`).join('\n')}\n`,
      )
    }
    await cluster.run('scancel', '--user=root')
    await until(PATIENCE, async () => (await cluster.queue()).length === 0)
  }, TIMEOUT)
  afterAll(async () => {
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  }, TIMEOUT)

  const slurm = (...args: string[]): Promise<Result> =>
    factflow(['slurm', ...args], { env: cluster.env, cwd: dir })
  const submit = async (...args: string[]): Promise<Submitted> => {
    const { code, stdout, stderr } = await slurm(...args, '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout) as Submitted
  }
  const logs = (run: string): string => {
    const folder = join(run, 'slurm')
    const names = readdirSync(folder).filter((name) => name.endsWith('.log'))
    return names.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n')
  }
  const parts = (run: string, prefix: string): number =>
    readdirSync(run).filter((name) => name.startsWith(prefix) && name.endsWith('.parquet')).length
  const restarts = async (task: string): Promise<number> =>
    Number(/ Restarts=(\d+) /.exec(await cluster.run('scontrol', 'show', 'job', '--oneliner', task))?.[1])
  /** The worker of a stage that has begun last, when one runs: it listens to signals, and most of its work is before it. */
  const running = async (run: string, stage: 'evaluate' | 'sweep') => {
    const workers = async () =>
      (await readWorkers(run))
        .filter(({ evaluateOnly = false }) => evaluateOnly === (stage === 'evaluate'))
        .filter((worker) => workerState(worker) === 'running')
        .sort((a, b) => a.began.localeCompare(b.began))
    let worker: Worker | undefined
    await until(PATIENCE, async () => {
      worker = (await workers()).at(-1)
      return worker !== undefined
    })
    return { pid: worker!.pid, shard: workerShard(worker!)!.index }
  }

  it(
    'that loses workers to SIGKILL, preemption and SIGTERM gives the numbers of a single process to the last bit',
    async () => {
      const [whole, run] = [join(dir, 'whole'), join(dir, "run with 'quotes'")]
      const single = factflow(['study', file, '--out', whole, ...COMPUTE])
      const settings = ['--shards', `${SHARDS}`, '--cpus-per-task', '1', '--memory', '1GB', '--wait', '0']
      const { jobs } = await submit(file, '--out', run, ...settings)
      expect(jobs.map(({ stage, shards }) => [stage, shards?.length])).toEqual([
        ['evaluate', SHARDS],
        ['sweep', SHARDS],
        ['report', undefined],
      ])
      const sweep = jobs[1]!.id
      // Tasks that wait for their turn here, or all may be done before the last of what happens to them.
      const later = { told: `${sweep}_[5-6]`, preempted: `${sweep}_[7-8]` }
      await cluster.run('scontrol', 'hold', later.told)
      await cluster.run('scontrol', 'hold', later.preempted)
      const again = await slurm(file, '--out', run)
      expect(again).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/got 1\d jobs of it there; follow/),
      })

      await until(PATIENCE, () => parts(run, 'evaluation-') > 0)
      process.kill((await running(run, 'evaluate')).pid, 'SIGKILL')

      // Knockouts begin when all evaluations are there: those of the lost worker are made up for by its sweep.
      await until(PATIENCE, () => parts(run, 'part-') > 0)
      const killed = await running(run, 'sweep')
      process.kill(killed.pid, 'SIGKILL')
      await until(PATIENCE, () => !isRunning(killed.pid))
      await cluster.run('scontrol', 'release', later.told)
      const told = await running(run, 'sweep')
      const task = `${sweep}_${told.shard}`
      await until(PATIENCE, async () => {
        // A task that is just starting cannot be told, and one that has been told may not be told again.
        await cluster.run('scancel', '--signal=TERM', task).catch(() => {})
        return (await restarts(task)) > 0
      })
      await cluster.run('scontrol', 'release', later.preempted)
      await running(run, 'sweep')
      // A job that needs the whole node.
      await cluster.run('sbatch', '--partition=high', '--cpus-per-task=2', '--wrap=sleep 1')
      await until(PATIENCE, () => logs(run).includes('DUE TO PREEMPTION'))

      const followed = await slurm(run, '--follow', '--interval', '2')
      expect(followed.code).toBe(1)
      expect(followed.stdout).toMatch(/^missing: .* prompts under knockouts.*, in 1 shard of 8: \d\n/)
      expect(followed.stderr).toContain('in the queue: ')

      const resubmitted = await submit(run, '--resubmit')
      expect(resubmitted.jobs.map(({ stage, shards }) => ({ stage, shards }))).toEqual([
        { stage: 'sweep', shards: [killed.shard] },
        { stage: 'report', shards: undefined },
      ])
      const done = await slurm(run, '--follow', '--interval', '2')
      expect(done).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('all of it is done, report in '),
      })
      expect(await slurm(run, '--resubmit')).toMatchObject({
        code: 0,
        stdout: '',
        stderr: 'nothing is missing, and the report is there\n',
      })

      expect(await single).toMatchObject({ code: 0 })
      const [expected, got] = [await tables(whole), await tables(run)]
      expect(got).toEqual(expected)
      expect(expected[0]!.length).toBeGreaterThan(10_000)
      for (const stage of ['part-', 'evaluation-']) expect(parts(whole, stage)).toBeGreaterThanOrEqual(SHARDS)
      const text = logs(run)
      expect(text).toContain('SIGTERM: stops when the unit of work that it is in is done and stored')
      expect(text.match(/goes back to the queue/g)!.length).toBeGreaterThan(0)
    },
    TIMEOUT,
  )

  /** A stand-in for the worker: it says when it begins, and ends with 75 when it is told to. */
  const standIn = (name: string, then: string): string => {
    const script = join(dir, `${name}.sh`)
    writeFileSync(
      script,
      `trap 'echo told; exit 75' TERM\necho "begins $SLURM_ARRAY_TASK_ID, again \${SLURM_RESTART_COUNT:-0}"\n${then}\n`,
    )
    return `bash ${script}`
  }
  const WAITS = 'for i in $(seq 600); do sleep 0.1; done'
  const GOES_ON = `if [ "\${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then echo went on; exit 0; fi`
  const one = ['--shards', '1', '--cpus-per-task', '1']

  it(
    'goes on after a time limit of which it was told before',
    async () => {
      const run = join(dir, 'limit')
      const command = standIn('limit', `${GOES_ON}\n${WAITS}`)
      await submit(file, '--out', run, ...one, '--time', '1', '--signal-before', '55', '--command', command)
      await until(PATIENCE, () => logs(run).includes('went on'))
      expect(logs(run)).toMatch(
        /begins 1, again 0\n.*told\n.*goes back to the queue.*begins 1, again 1\nwent on/s,
      )
    },
    TIMEOUT,
  )

  it(
    'goes back to the queue once where preemption leaves it time',
    async () => {
      const run = join(dir, 'grace')
      const settings = ['--partition', 'grace', '--command', standIn('grace', `${GOES_ON}\n${WAITS}`)]
      const { jobs } = await submit(file, '--out', run, ...one, ...settings)
      await until(PATIENCE, () => logs(run).includes('begins 1'))
      await cluster.run('sbatch', '--partition=high', '--exclusive', '--wrap=sleep 1')
      await until(PATIENCE, () => logs(run).includes('went on'))
      expect(logs(run)).toMatch(/again 0\n.*told\n.*goes back to the queue.*again 1\nwent on/s)
      expect(await restarts(`${jobs[0]!.id}_1`)).toBe(1)
    },
    TIMEOUT,
  )

  it(
    'stays out of the queue after so many times',
    async () => {
      const run = join(dir, 'times')
      const settings = ['--requeues', '1', '--command', standIn('times', 'exit 75')]
      const { jobs } = await submit(file, '--out', run, ...one, ...settings)
      const task = `${jobs[0]!.id}_1`
      await until(PATIENCE, async () => !(await cluster.queue()).some((text) => text.startsWith(`${task} `)))
      expect(logs(run)).toContain(`task ${task} has been back in the queue 1 times and stays out of it`)
      expect(await cluster.run('scontrol', 'show', 'job', '--oneliner', task)).toMatch(
        / JobState=FAILED .* Restarts=1 .* ExitCode=75:0 /,
      )
    },
    TIMEOUT,
  )

  it(
    'runs no more tasks at a time than it may, and is cancelled for good',
    async () => {
      const run = join(dir, 'throttle')
      const settings = ['--shards', '4', '--throttle', '1', '--cpus-per-task', '1']
      const { jobs } = await submit(file, '--out', run, ...settings, '--command', standIn('cancel', WAITS))
      await until(PATIENCE, () => logs(run).includes('begins 1'))
      const states = (await cluster.queue()).map((text) => text.split(' ')[1])
      expect(states.filter((state) => state === 'RUNNING').length).toBe(1)
      expect(states.filter((state) => state === 'PENDING').length).toBe(3 + 4 + 1)
      expect(await slurm(run, '--resubmit', '--shards', '5')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--shards: must be 4 while jobs of the run are in the queue, got 5'),
      })
      const { code, stdout } = await slurm(run, '--cancel')
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: `cancelled ${jobs.map(({ id }) => id).join(', ')}: 9 tasks; what is done is kept in ${run}\n`,
      })
      await until(PATIENCE, async () => (await cluster.queue()).length === 0)
      // Its worker ended with 75 as well, when it was told; nobody asks Slurm to have it back.
      await until(PATIENCE, () => logs(run).includes('told'))
      expect(await cluster.run('scontrol', 'show', 'job', '--oneliner', `${jobs[0]!.id}_1`)).toMatch(
        / JobState=CANCELLED .* Restarts=0 /,
      )
      expect(await slurm(run, '--cancel')).toMatchObject({
        code: 0,
        stdout: 'no job of this run is in the queue\n',
      })
    },
    TIMEOUT,
  )

  it(
    'that Slurm refuses is not submitted by half',
    async () => {
      const run = join(dir, 'refused')
      const { code, stderr } = await slurm(file, '--out', run, '--report-sbatch=--partition=nowhere')
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(
          /^error: sbatch: must succeed, got "invalid partition specified: nowhere; .*"; change the settings\n$/,
        ),
      })
      await until(PATIENCE, async () => (await cluster.queue()).length === 0)
      expect(readdirSync(join(run, 'slurm'))).not.toContain('jobs.json')
    },
    TIMEOUT,
  )
})

async function tables(run: string): Promise<unknown[][]> {
  const results = await Results.open([run])
  try {
    return await Promise.all(
      Object.keys(TABLES).map((name) => results.rows(`SELECT * EXCLUDE (run) FROM ${name} ORDER BY ALL`)),
    )
  } finally {
    results.close()
  }
}
