/** The objects of Kubernetes: by its own schemas, and the script of their Pods run by a shell. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Job } from 'kubernetes-models/batch/v1/Job'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { asList, asYaml, jobName, kubernetesManifests } from '../../src/cluster/kubernetes.js'
import { checkInputs } from '../../src/cluster/kubernetes-inputs.js'
import { completions, jobIndices, shellWord } from '../../src/cluster/kubernetes-pod.js'
import {
  checkKubernetes,
  type JobSettings,
  jobSettings,
  type KubernetesInput,
  kubernetesSchema,
  memoryBytes,
  wholeProcessors,
} from '../../src/cluster/kubernetes-settings.js'
import { parseShard } from '../../src/studies/shard.js'
import { parseStudy } from '../../src/studies/study.js'

const JSON_STUDY = {
  name: 'Small_Study',
  title: 'It\'s $(HOME), `date` and "yes"\n: on',
  models: ['tiny-gpt2', 'owner/model'],
  data: ['atlas', 'counterfact'],
  infoFlow: { promptSets: 'correct' },
}
const STUDY = parseStudy(JSON_STUDY, 'small')
const EVALUATED = parseStudy({ ...JSON_STUDY, infoFlow: undefined }, 'evaluated')

/** Settings as they come from a file or flags. */
function settings(input: KubernetesInput = {}): JobSettings {
  const given = { image: 'registry/factflow:1', claim: 'runs', ...input }
  checkKubernetes(given, 'test')
  return jobSettings(kubernetesSchema.parse(given))
}

/** Every field of the settings. */
const ALL: KubernetesInput = {
  name: 'all-of-it',
  namespace: 'lab',
  image: 'registry:5000/lab/factflow@sha256:00',
  imagePullPolicy: 'Always',
  imagePullSecret: 'registry',
  shards: 3,
  parallelism: 2,
  gpus: 1,
  gpuResource: 'nvidia.com/mig-1g.10gb',
  cpu: '2500m',
  memoryLimit: '16G',
  memory: '4GB',
  device: 'cuda',
  dtype: 'float16',
  tf32: true,
  offline: true,
  claim: 'runs',
  out: 'it\'s/a "run" $(HOME) $$ `x` \\',
  cacheClaim: 'cache',
  mounts: [
    { claim: 'facts', path: '/data' },
    { claim: 'weights', path: '/models/own' },
  ],
  secret: 'hugging-face',
  nodeSelector: { pool: 'yes', zone: '1:30' },
  tolerations: [{ key: 'nvidia.com/gpu', operator: 'Equal', value: 'on', effect: 'NoSchedule' }],
  runtimeClass: 'nvidia',
  priorityClass: 'low',
  labels: { 'kueue.x-k8s.io/queue-name': 'lab' },
  user: 20_001,
  wait: 5,
  reportWait: 7,
  retries: 2,
  grace: 30,
}

/** The three objects, as loosely typed as a test needs them. */
// biome-ignore lint/suspicious/noExplicitAny: what is in them is what is tested
function objects(input?: KubernetesInput, study = STUDY, json: unknown = JSON_STUDY): any[] {
  return kubernetesManifests(study, json, settings(input))
}

/** What Kubernetes' schemas say against an object. */
function complaint(object: { kind: string }): unknown {
  try {
    if (object.kind === 'Job') new Job(object as never).validate()
    else new ConfigMap(object as never).validate()
    return undefined
  } catch (error) {
    return error
  }
}

describe('objects', () => {
  test.each<[string, KubernetesInput]>([
    ['least', {}],
    ['all', ALL],
    ['of the image’s user', { user: null }],
  ])('hold against the schemas of Kubernetes: %s settings', (_, input) => {
    for (const object of objects(input)) expect(complaint(object)).toBeUndefined()
  })

  test('the schemas do refuse what is wrong', () => {
    const [, job] = objects()
    expect(complaint({ ...job, spec: { ...job.spec, backoffLimitPerIndex: '6' } })).toBeDefined()
    expect(complaint({ ...job, spec: { ...job.spec, template: undefined } })).toBeDefined()
  })

  test('are read from the YAML as they are, in YAML 1.1 as in 1.2', () => {
    const all = objects(ALL)
    const text = asYaml(all)
    for (const version of ['1.1', '1.2'] as const) {
      const read = parseAllDocuments(text, { version })
      if (!Array.isArray(read)) throw new Error('no documents')
      expect(read.map((document) => document.toJS())).toEqual(all)
    }
    expect(asList(all)).toEqual({ apiVersion: 'v1', kind: 'List', items: all })
    // The script and the study can be read there.
    expect(text).toContain('worker.sh: |\n    #!/bin/sh\n')
  })

  test('the workers have an index for each share of each stage, and the report no index', () => {
    const [, job, report] = objects({ shards: 5 })
    expect(job.spec).toMatchObject({ completions: 10, parallelism: 5, completionMode: 'Indexed' })
    expect(jobIndices(STUDY, 10)).toEqual({ evaluations: 5, sweeps: 5 })
    expect(report.spec.completions).toBeUndefined()
    const [, evaluations] = objects({ shards: 5, parallelism: 20 }, EVALUATED)
    expect(evaluations.spec).toMatchObject({ completions: 5, parallelism: 5 })
    expect(jobIndices(EVALUATED, completions(EVALUATED, 5))).toEqual({ evaluations: 5, sweeps: 0 })
  })

  test('Pods may do nothing but write to their volumes, whatever the settings', () => {
    for (const input of [{}, ALL, { user: null }]) {
      for (const { spec } of objects(input).slice(1)) {
        const pod = spec.template.spec
        expect(pod).toMatchObject({
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        })
        expect(pod.hostNetwork ?? pod.hostPID ?? pod.hostIPC ?? pod.initContainers).toBeUndefined()
        const [container, ...others] = pod.containers
        expect(others).toEqual([])
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
        expect(container.resources.requests).toEqual(container.resources.limits)
        expect(container.resources.limits).toHaveProperty('memory')
        // Every mount has its volume and every volume its mount.
        const names = (all: { name: string }[]): string[] => all.map(({ name }) => name).sort()
        expect(names(container.volumeMounts)).toEqual(names(pod.volumes))
      }
    }
  })

  test('evictions are no failures; unusable input is not tried again; all else is, so often', () => {
    const [, job, report] = objects({ retries: 4 })
    expect(job.spec.backoffLimitPerIndex).toBe(4)
    expect(job.spec.backoffLimit).toBeUndefined()
    expect(report.spec.backoffLimit).toBe(4)
    for (const [{ spec }, action] of [
      [job, 'FailIndex'],
      [report, 'FailJob'],
    ]) {
      expect(spec.podFailurePolicy.rules).toEqual([
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        { action, onExitCodes: { containerName: 'factflow', operator: 'In', values: [2] } },
      ])
      expect(spec.template.spec.containers[0].name).toBe('factflow')
    }
  })

  test('settings go where they belong', () => {
    const [config, job, report] = objects(ALL)
    for (const { metadata } of [config, job, report]) {
      expect(metadata).toMatchObject({
        namespace: 'lab',
        labels: {
          'app.kubernetes.io/name': 'factflow',
          'app.kubernetes.io/instance': 'all-of-it',
          'app.kubernetes.io/managed-by': 'factflow',
          'kueue.x-k8s.io/queue-name': 'lab',
        },
      })
    }
    expect([job.metadata.name, report.metadata.name]).toEqual(['all-of-it', 'all-of-it-report'])
    const pod = job.spec.template.spec
    expect(pod).toMatchObject({
      nodeSelector: { pool: 'yes', zone: '1:30' },
      runtimeClassName: 'nvidia',
      priorityClassName: 'low',
      terminationGracePeriodSeconds: 30,
      imagePullSecrets: [{ name: 'registry' }],
      securityContext: { runAsUser: 20_001, runAsGroup: 20_001, fsGroup: 20_001 },
      volumes: [
        { name: 'study', configMap: { name: config.metadata.name } },
        { name: 'runs', persistentVolumeClaim: { claimName: 'runs' } },
        { name: 'tmp', emptyDir: {} },
        { name: 'cache', persistentVolumeClaim: { claimName: 'cache' } },
        { name: 'mount-0', persistentVolumeClaim: { claimName: 'facts', readOnly: true } },
        { name: 'mount-1', persistentVolumeClaim: { claimName: 'weights', readOnly: true } },
      ],
    })
    const [container] = pod.containers
    expect(container.resources.limits).toEqual({ cpu: '2500m', memory: '16G', 'nvidia.com/mig-1g.10gb': 1 })
    expect(container.env).toEqual([
      { name: 'HOME', value: '/tmp' },
      { name: 'HF_HOME', value: '/cache' },
      { name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: 'hugging-face', key: 'HF_TOKEN' } } },
    ])
    // The report needs no GPU, and no node that has one.
    const reporting = report.spec.template.spec
    expect(reporting.containers[0].resources.limits).toEqual({ cpu: '1', memory: '4Gi' })
    expect([reporting.nodeSelector, reporting.runtimeClassName]).toEqual([undefined, undefined])
    expect(objects({ nodeSelector: { pool: 'cpu' } })[2].spec.template.spec.nodeSelector).toEqual({
      pool: 'cpu',
    })
  })

  test('another study or script is another ConfigMap, the same is the same', () => {
    const name = (study: object, input?: KubernetesInput): string =>
      objects(input, parseStudy(study, 'study'), study)[0].metadata.name
    expect(name(JSON_STUDY)).toBe(name({ ...JSON_STUDY }))
    expect(name(JSON_STUDY)).toMatch(/^small-study-[0-9a-f]{8}$/)
    expect(name({ ...JSON_STUDY, title: 'Other' })).not.toBe(name(JSON_STUDY))
    expect(name(JSON_STUDY, { shards: 9 })).not.toBe(name(JSON_STUDY))
  })

  test('names are DNS labels', () => {
    const named = (name: string): string => jobName(parseStudy({ ...JSON_STUDY, name }, 'study'), {})
    expect(named('Paper_2')).toBe('paper-2')
    expect(named('_x-')).toBe('x')
    expect(named('a'.repeat(90))).toBe('a'.repeat(48))
    expect(() => named('__')).toThrow('--name: must be given')
  })

  test('a study that is too large for a ConfigMap is refused', () => {
    const ids = Array.from({ length: 100_000 }, (_, i) => `relation/${i}`)
    const large = { ...JSON_STUDY, promptSets: { correct: { ids } } }
    expect(() => objects({}, parseStudy(large, 'large'), large)).toThrow(
      /^Small_Study: must have at most 1,000,000 bytes .*, got [\d,]+; /,
    )
  })
})

describe('what Pods run', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'factflow-kubernetes-'))
    writeFileSync(join(dir, 'factflow'), '#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n')
    chmodSync(join(dir, 'factflow'), 0o755)
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  /** The words that factflow gets from the script of an index. */
  function words(input: KubernetesInput, index: number, study = STUDY): string[] {
    const file = join(dir, 'worker.sh')
    writeFileSync(file, objects(input, study)[0].data['worker.sh'])
    const env = { PATH: `${dir}:${process.env.PATH}`, JOB_COMPLETION_INDEX: String(index) }
    return execFileSync('/bin/sh', [file], { env, encoding: 'utf8' }).split('\0').slice(0, -1)
  }

  test('evaluations first, then sweeps that wait; each share of each once', () => {
    const seen = Array.from({ length: 8 }, (_, index) => words({ shards: 4 }, index))
    const common = ['study', '/study/study.json', '--out', '/runs/Small_Study', '--threads', '4']
    const memory = ['--device', 'cpu', '--memory', String(4 * 2 ** 30)]
    expect(seen[0]).toEqual([...common, ...memory, '--stage', 'evaluate', '--shard', '1/4'])
    expect(seen[7]).toEqual([...common, ...memory, '--stage', 'sweep', '--shard', '4/4', '--wait', '60'])
    const stages = seen.map((all) => all.slice(all.indexOf('--stage') + 1))
    expect(stages.map(([stage]) => stage)).toEqual([
      ...Array<string>(4).fill('evaluate'),
      ...Array<string>(4).fill('sweep'),
    ])
    for (const half of [stages.slice(0, 4), stages.slice(4)]) {
      expect(half.map(([, , shard]) => parseShard(shard!).index)).toEqual([1, 2, 3, 4])
    }
    expect(words({ shards: 4 }, 3, EVALUATED).slice(-4)).toEqual(['--stage', 'evaluate', '--shard', '4/4'])
  })

  test('paths come through as they are', () => {
    const all = words(ALL, 4)
    expect(all[3]).toBe(`/runs/${ALL.out}`)
    expect(all.slice(4)).toEqual([
      ...[
        '--threads',
        '2',
        '--device',
        'cuda',
        '--memory',
        '4GB',
        '--dtype',
        'float16',
        '--tf32',
        '--offline',
      ],
      ...['--stage', 'sweep', '--shard', '2/3', '--wait', '5'],
    ])
    // Kubernetes makes $ of $$, and a variable's value of $(NAME): container runtime, expansion.go.
    const { command } = objects(ALL)[2].spec.template.spec.containers[0]
    const expanded = command.map((word: string) =>
      word.replace(/\$\$|\$\(\w+\)/g, (found) => (found === '$$' ? '$' : 'EXPANDED')),
    )
    expect(expanded).toEqual([
      ...['factflow', 'study', '/study/study.json', '--out', `/runs/${ALL.out}`],
      ...['--stage', 'report', '--wait', '7', '--offline'],
    ])
  })

  test('without an index there is no share', () => {
    writeFileSync(join(dir, 'worker.sh'), objects()[0].data['worker.sh'])
    const run = (): string =>
      execFileSync('/bin/sh', [join(dir, 'worker.sh')], {
        env: { PATH: dir },
        encoding: 'utf8',
        stdio: 'pipe',
      })
    expect(run).toThrow(/JOB_COMPLETION_INDEX/)
  })

  test('any text is one word of a shell', () => {
    // No argument of a process has a zero byte in it.
    const word = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replaceAll('\0', '0'))
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 100, size: 'max' }), (all) => {
        const script = `printf '%s\\0' ${all.map(shellWord).join(' ')}`
        const printed = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' })
        expect(printed.split('\0').slice(0, -1)).toEqual(all)
      }),
      { numRuns: 5 },
    )
  })
})

describe('settings', () => {
  test.each<[input: object, message: string]>([
    [{ shards: 0 }, 'shards: must be at least 1, got 0'],
    [{ shards: 5001 }, 'shards: must be at most 5000, got 5001'],
    [{ gpus: 2 }, 'gpus: must be at most 1, got 2'],
    [{ cpu: '0' }, 'cpu: must have a number of processors such as 4 or 500m, got "0"'],
    [{ cpu: 'many' }, 'cpu: must have a number of processors such as 4 or 500m, got "many"'],
    [{ memoryLimit: '8' }, 'memoryLimit: must have a quantity of memory with its unit such as 8Gi, got "8"'],
    [{ memory: 'lots' }, 'memory: must have a size such as 4GB, got "lots"'],
    [{ name: 'Capital' }, 'name: must have small letters, digits and - (a DNS label), got "Capital"'],
    [{ claim: '-a' }, 'claim: must have small letters, digits, - and . (the name of an object), got "-a"'],
    [{ out: '../other' }, 'out: must be a path inside of the claim, got "../other"'],
    [{ out: '/tmp' }, 'out: must be a path inside of the claim, got "/tmp"'],
    [{ out: 'a/../..' }, 'out: must be a path inside of the claim, got "a/../.."'],
    [
      { mounts: [{ claim: 'a', path: 'data' }] },
      'mounts[0].path: must have a path from the root, got "data"',
    ],
    [
      { mounts: [{ claim: 'a', path: '/runs/a' }] },
      'mounts[0].path: must be beside /runs, /cache, /study, /tmp, got "/runs/a"',
    ],
    [
      { mounts: [{ claim: 'a', path: '/a/../runs' }] },
      'mounts[0].path: must be a path without . and .., got "/a/../runs"',
    ],
    [{ user: 0 }, 'user: must be at least 1, got 0'],
    [{ replicas: 3 }, 'settings: must not have the field replicas, got {"replicas":3}'],
    [
      { tolerations: [{ key: 'a', effect: 'Never' }] },
      'tolerations[0].effect: must be one of NoSchedule, PreferNoSchedule, NoExecute, got "Never"',
    ],
  ])('%j is refused', (input, message) => {
    expect(() => checkKubernetes(input, 'cluster.json')).toThrow(
      `cluster.json: ${message}; see docs/cluster.md`,
    )
  })

  test.each<[input: KubernetesInput, message: string]>([
    [{ image: undefined }, '--image: must be given, got nothing; '],
    [{ claim: undefined }, '--claim: must be given, got nothing; '],
    [{ device: 'cuda' }, '--gpus: must be 1 for --device cuda, got 0; '],
    [
      {
        mounts: [
          { claim: 'a', path: '/data' },
          { claim: 'b', path: '/data' },
        ],
      },
      '--mount: paths must differ, got "/data" twice; ',
    ],
  ])('%j is not enough for a Job', (input, message) => {
    expect(() => settings(input)).toThrow(message)
  })

  test('what is computed with follows from them', () => {
    expect(settings({ gpus: 1 }).device).toBe('cuda')
    expect(settings({ gpus: 1, device: 'webgpu' }).device).toBe('webgpu')
    expect(settings({ cpu: 2 }).cpu).toBe('2')
    expect(['500m', '1', '3500m', '16', '0.5'].map(wholeProcessors)).toEqual([1, 1, 3, 16, 1])
    expect(['1Gi', '1.5G', '512Mi', '2k'].map(memoryBytes)).toEqual([2 ** 30, 1.5e9, 2 ** 29, 2000])
  })
})

describe('what a study reads', () => {
  const check = (study: object, input: KubernetesInput = {}): Promise<void> =>
    checkInputs(parseStudy({ ...JSON_STUDY, ...study }, 'study'), settings(input))

  test.each<[string, object, KubernetesInput]>([
    ['embedded, or on the Hub', {}, {}],
    ['a file in the claim', { data: '/runs/facts.jsonl' }, {}],
    ['a file in a mount', { data: '/data/facts.csv' }, { mounts: [{ claim: 'facts', path: '/data' }] }],
    ['a folder in the cache', { models: ['/cache/own/model'] }, { cacheClaim: 'cache' }],
  ])('%s is there for the workers', async (_, study, input) => {
    await check(study, input)
  })

  test.each<[string, object]>([
    ['data[0]', { data: 'facts.jsonl' }],
    // A folder of this repository.
    ['data[0]', { data: 'data/atlas.jsonl' }],
    ['data[1]', { data: ['atlas', '/home/me/facts.jsonl'] }],
    ['data[0]', { data: '/runs-of-mine/facts.jsonl' }],
    ['models[0]', { models: ['models/tiny-gpt2'] }],
    ['models[1]', { models: ['tiny-gpt2', './own'] }],
    ['models[0].tokenizer', { models: [{ model: 'owner/model', tokenizer: '../tokenizer.json' }] }],
    ['models[0]', { models: ['/cache/own'] }],
  ])('%s of %j is not', async (field, study) => {
    await expect(check(study)).rejects.toThrow(
      new RegExp(
        `^Small_Study: ${field.replace(/[[\].]/g, '\\$&')} must be in a volume of the workers \\(/runs\\), got `,
      ),
    )
  })
})
