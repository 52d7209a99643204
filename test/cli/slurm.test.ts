/** `factflow slurm` where there is no Slurm: what it would submit, and what it refuses. With one: test/cluster. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { refuse, succeed, temporaryFolder } from './command.js'

const cwd = temporaryFolder()
/** No command is there. */
const env = { PATH: join(cwd, 'nothing') }
const study = join(cwd, 'capitals.json')
writeFileSync(
  study,
  JSON.stringify({
    name: 'capitals',
    models: ['tiny-mamba1'],
    data: 'atlas',
    infoFlow: { promptSets: 'correct' },
  }),
)
const config = join(cwd, 'slurm.json')
writeFileSync(
  config,
  JSON.stringify({ partition: 'gpu', gpus: '1', shards: 4, setup: ['module load cuda'], offline: true }),
)

describe('a dry run', () => {
  it('prints scripts and calls that a shell understands, and writes nothing', async () => {
    const out = join(cwd, "run with 'quotes'")
    const args = ['slurm', study, '-o', out, '--config', config, '--shards', '2', '--time', '1:00:00']
    const text = await succeed([...args, '--sbatch', '--comment=a b', '--dry-run'], { env, cwd })
    expect(execFileSync('bash', ['-n'], { input: text }).toString()).toBe('')
    expect(text).toContain('\nmodule load cuda\n')
    const call =
      'sbatch --parsable --job-name=capitals-sweep --output=%x-%A_%a.log --open-mode=append --requeue'
    expect(text).toContain(
      `\nsweep=$(${call} --signal=TERM@120 --partition=gpu --gpus=1 --time=1:00:00 --cpus-per-task=4 '--comment=a b' --array=1-2 "--dependency=afterany:$evaluate" sweep.sh)\n`,
    )
    expect(text).toContain('--dependency=afterany:$evaluate:$sweep" report.sh)\n')
    expect(text).toContain(
      `--stage evaluate --shard "$SLURM_ARRAY_TASK_ID/2" --threads "$SLURM_CPUS_PER_TASK" --device cuda --offline\n`,
    )
    expect(existsSync(out)).toBe(false)
  })

  it('prints as JSON the same scripts and calls', async () => {
    const out = join(cwd, 'json')
    const args = ['slurm', study, '-o', out, '--config', config, '--dry-run']
    const text = await succeed(args, { env, cwd })
    const { scripts, sbatch, ...rest } = JSON.parse(await succeed([...args, '--json'], { env, cwd })) as {
      scripts: Record<string, string>
      sbatch: { stage: string; arguments: string[] }[]
    }
    expect(rest).toEqual({ out, folder: join(out, 'slurm'), scancel: [] })
    expect(Object.keys(scripts)).toEqual(['evaluate.sh', 'sweep.sh', 'report.sh'])
    for (const [name, script] of Object.entries(scripts)) {
      expect(text).toContain(`# ${join(out, 'slurm', name)}\n${script}\n`)
    }
    expect(sbatch.map(({ stage }) => stage)).toEqual(['evaluate', 'sweep', 'report'])
    expect(sbatch[1]!.arguments.slice(-3)).toEqual([
      '--array=1-4',
      '--dependency=afterany:$evaluate',
      'sweep.sh',
    ])
    expect(existsSync(out)).toBe(false)
  })

  it('knows a preset, and puts its run where factflow study does', async () => {
    const text = await succeed(['slurm', 'demo', '--dry-run'], { env, cwd })
    expect(text).toContain(`\ncd ${join(cwd, 'runs', 'demo', 'slurm')}\n`)
  })
})

it('says in its help which threads and device are the default', async () => {
  const help = (await succeed(['slurm', '--help'], { env, cwd })).replace(/\s+/g, ' ')
  expect(help).toContain("threads (default: the task's processors)")
  expect(help).toContain(' default: cuda where a GPU is asked for, else cpu)')
})

it('prints the schema of its settings', async () => {
  const schema = JSON.parse(await succeed(['slurm', '--schema'], { env, cwd })) as { properties: object }
  expect(Object.keys(schema.properties)).toContain('cpus-per-task')
})

describe('errors', () => {
  const say = (...args: string[]): Promise<string> => refuse(['slurm', ...args], { env, cwd })

  it.each([
    [[], 'study: must be given, got nothing; name a study, or the folder of a run that was submitted before'],
    [
      [cwd, '--cancel'],
      `study: must be a study, or the folder of a run that was submitted before, got ${JSON.stringify(cwd)}; name a study`,
    ],
    [
      [study, '--resubmit'],
      'runs/capitals: must have been submitted before, got none of its jobs; leave --resubmit and --cancel out',
    ],
    [['demo', '--cancel', '--follow'], '--cancel: must be given without --follow, got both; leave one out'],
    [['demo', '--follow', '--dry-run'], '--follow: must be given without --dry-run, got both; leave one out'],
    [
      ['demo', '--dry-run', '--time', '4h'],
      'options: time: must be a time as Slurm writes it: 90, 4:00:00, 2-12, got "4h"; see factflow slurm --help',
    ],
    [
      ['demo', '--dry-run', '--models', 'nope'],
      '--models: must be models of the study (tiny-mamba1, tiny-mamba2, tiny-gpt2), got "nope"; correct the name',
    ],
  ])('of %j', async (args, message) => {
    expect(await say(...args)).toBe(`error: ${message}`)
  })

  it('of a settings file name it', async () => {
    const file = join(cwd, 'wrong.json')
    writeFileSync(file, '{"partion":"gpu"}')
    expect(await say('demo', '--config', file, '--dry-run')).toBe(
      `error: ${file}: settings: must not have the field partion, got {"partion":"gpu"}; see factflow slurm --help`,
    )
    writeFileSync(file, '{')
    expect(await say('demo', '--config', file, '--dry-run')).toMatch(
      /^error: --config: must be a file of JSON, got /,
    )
  })

  it('of a machine without Slurm say where there is one, and leave no jobs and scripts of its own behind', async () => {
    const out = join(cwd, 'without')
    mkdirSync(join(out, 'slurm'), { recursive: true })
    writeFileSync(join(out, 'slurm', 'own.sh'), '')
    expect(await say(study, '-o', out)).toBe(
      'error: sbatch: must be a command of this machine, got none; run this on a login node of the cluster, or see with --dry-run what it would do',
    )
    expect(readdirSync(join(out, 'slurm')).sort()).toEqual(['own.sh', 'study.json'])
  })
})
