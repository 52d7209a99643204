/** `factflow kubernetes` with a kubectl that only writes down what it is told. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { factflow, refuse, succeed, temporaryFolder } from './command.js'

const folder = temporaryFolder()
const bin = join(folder, 'bin')
const calls = join(folder, 'calls')
const env = { PATH: `${bin}:/usr/bin:/bin` }
const JOB = ['kubernetes', 'demo', '--image', 'registry/factflow', '--claim', 'runs']

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  // biome-ignore lint/suspicious/noExplicitAny: of whatever object
  readonly spec: any
}

/** A kubectl that notes its arguments and input, and then does what `script` says. */
function kubectl(script: string): void {
  mkdirSync(bin, { recursive: true })
  const file = join(bin, 'kubectl')
  writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "$*" >> '${calls}'\n${script}\n`)
  chmodSync(file, 0o755)
}

const called = (): string[] => (existsSync(calls) ? readFileSync(calls, 'utf8').trimEnd().split('\n') : [])

beforeEach(() => rmSync(calls, { force: true }))

async function list(args: readonly string[], cwd = folder): Promise<Manifest[]> {
  return (JSON.parse(await succeed([...JOB, ...args, '--json'], { env, cwd })) as { items: Manifest[] }).items
}

describe('the objects', () => {
  test('are printed as YAML or as a List in JSON, without kubectl', async () => {
    const documents = parseAllDocuments(await succeed([...JOB, '--shards', '3'], { env: { PATH: '' } }))
    if (!Array.isArray(documents)) throw new Error('no documents')
    const objects = documents.map((document) => document.toJS() as Manifest)
    expect(
      objects.map(({ kind, metadata }) => [kind, metadata.name.replace(/-[0-9a-f]{8}$/, '-HASH')]),
    ).toEqual([
      ['ConfigMap', 'demo-HASH'],
      ['Job', 'demo'],
      ['Job', 'demo-report'],
    ])
    expect(objects[1]!.spec.completions).toBe(6)
    expect(await list(['--shards', '3'])).toEqual(objects)
  })

  test('take flags before the file', async () => {
    writeFileSync(
      join(folder, 'cluster.json'),
      JSON.stringify({ image: 'other', shards: 5, cpu: 2, nodeSelector: { pool: 'a' }, namespace: 'lab' }),
    )
    const [, job] = await list(['--config', 'cluster.json', '--shards', '2', '--node-selector', 'zone=b=c'])
    expect(job!.metadata.namespace).toBe('lab')
    const pod = job!.spec.template.spec
    expect([job!.spec.completions, pod.containers[0].image]).toEqual([4, 'registry/factflow'])
    expect(pod.containers[0].resources.limits.cpu).toBe('2')
    expect(pod.nodeSelector).toEqual({ zone: 'b=c' })
  })

  test('tolerations and mounts are written as kubectl writes them', async () => {
    const [, job] = await list([
      ...['--toleration', 'gpu', '--toleration', 'team=facts:NoSchedule', '--toleration', 'spot:NoExecute'],
      ...['--mount', 'facts:/data', '--mount', 'weights:/models'],
    ])
    const pod = job!.spec.template.spec
    expect(pod.tolerations).toEqual([
      { key: 'gpu', operator: 'Exists' },
      { key: 'team', operator: 'Equal', value: 'facts', effect: 'NoSchedule' },
      { key: 'spot', operator: 'Exists', effect: 'NoExecute' },
    ])
    expect(pod.containers[0].volumeMounts.slice(-2)).toEqual([
      { name: 'mount-0', mountPath: '/data', readOnly: true },
      { name: 'mount-1', mountPath: '/models', readOnly: true },
    ])
  })

  test('--schema is that of settings files', async () => {
    const schema = JSON.parse(await succeed(['kubernetes', '--schema'])) as { properties: object }
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['image', 'claim', 'tolerations']))
  })
})

describe('what cannot be used', () => {
  test.concurrent.each<[args: string[], message: RegExp]>([
    [['kubernetes'], /study: must be given, got nothing/],
    [['kubernetes', 'demo', '--claim', 'runs'], /--image: must be given, got nothing/],
    [['kubernetes', 'demo', '--image', 'a'], /--claim: must be given, got nothing/],
    [['kubernetes', 'none.json'], /study: must be a file or one of demo, .*, got "none\.json"/],
    [[...JOB, '--shards', '0'], /--shards: must be a whole number from 1 on, got "0"/],
    [[...JOB, '--memory-limit', '8'], /flags: memoryLimit: must have a quantity of memory .*, got "8"/],
    [[...JOB, '--mount', 'facts'], /--mount: must be CLAIM:\/PATH, got "facts"/],
    [[...JOB, '--node-selector', 'gpu'], /--node-selector: must be KEY=VALUE, got "gpu"/],
    [[...JOB, '--toleration', 'a:Never'], /--toleration: must be KEY\[=VALUE\]\[:EFFECT\] .*, got "a:Never"/],
    [[...JOB, '--device', 'cuda'], /--gpus: must be 1 for --device cuda, got 0/],
    [[...JOB, '--apply', '--delete'], /--delete: must not be given with --apply, got both/],
    [[...JOB, '--config', 'none.json'], /--config: must be a file of JSON, got "none\.json"/],
  ])('%j', async (args, message) => {
    expect(await refuse(args, { env, cwd: folder })).toMatch(message)
  })

  test('a file of the study that workers would not have', async () => {
    writeFileSync(join(folder, 'facts.jsonl'), '{}')
    writeFileSync(
      join(folder, 'study.json'),
      JSON.stringify({ name: 'own', models: ['tiny-gpt2'], data: 'facts.jsonl' }),
    )
    const args = ['kubernetes', 'study.json', ...JOB.slice(2)]
    expect(await refuse(args, { env, cwd: folder })).toMatch(
      /^error: own: data\[0\] must be in a volume of the workers \(\/runs\), got "facts\.jsonl"; .*--mount/,
    )
  })

  test('settings that are wrong in the file are the file’s', async () => {
    writeFileSync(join(folder, 'wrong.json'), '{"shards": "many"}')
    expect(await refuse([...JOB, '--config', 'wrong.json'], { env, cwd: folder })).toMatch(
      /^error: wrong\.json: shards: must be of type number, got "many"; see docs\/cluster\.md$/,
    )
  })
})

describe('kubectl', () => {
  test('is missing', async () => {
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    expect(await refuse([...JOB, '--apply'], { env: { PATH: empty } })).toMatch(
      /^error: kubectl: must be on the PATH, got ENOENT; /,
    )
  })

  test('fails', async () => {
    kubectl(`echo 'Warning: old' >&2; echo 'error: You must be logged in to the server' >&2; exit 1`)
    expect(await refuse([...JOB, '--apply'], { env })).toMatch(
      /^error: kubectl apply: must succeed, got "error: You must be logged in to the server"; /,
    )
  })

  test.each([
    'Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout',
    'The connection to the server localhost:8080 was refused - did you specify the right host or port?',
    'error: context "there" does not exist',
  ])('finds no cluster: %s', async (said) => {
    kubectl(`echo 'E1130 12:00:00.0 1 memcache.go:265] "Unhandled Error"' >&2; echo '${said}' >&2; exit 1`)
    expect(await refuse([...JOB, '--apply'], { env })).toBe(
      `error: kubectl apply: must succeed, got ${JSON.stringify(said)}; see which cluster is meant (--context, kubectl config current-context) and that it can be reached from here`,
    )
  })

  test('ends without a word', async () => {
    kubectl('exit 3')
    expect(await refuse([...JOB, '--delete'], { env })).toMatch(
      /^error: kubectl delete: must succeed, got exit code 3; /,
    )
  })

  test('refuses another template for a Job that is there', async () => {
    kubectl(`echo 'The Job "demo" is invalid: spec.template: Invalid value: field is immutable' >&2; exit 1`)
    expect(await refuse([...JOB, '--apply'], { env })).toMatch(/; .* give --resubmit$/)
  })

  test('--apply gives it the objects', async () => {
    const input = join(folder, 'input')
    kubectl(`cat > '${input}'; echo job.batch/demo created`)
    expect(await succeed([...JOB, '--apply', '-n', 'lab', '--context', 'there'], { env })).toBe(
      'job.batch/demo created\n',
    )
    expect(called()).toEqual(['--context there --namespace lab apply --filename -'])
    const { items } = JSON.parse(readFileSync(input, 'utf8')) as { items: Manifest[] }
    expect(items).toEqual(await list(['-n', 'lab']))
  })

  test('a Job that is there already does not run again, which a note says', async () => {
    kubectl('cat > /dev/null; echo job.batch/demo unchanged')
    expect(await factflow([...JOB, '--apply'], { env })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('--resubmit'),
    })
  })

  test('--resubmit deletes what is there, then makes it anew; --delete needs no settings', async () => {
    kubectl('cat > /dev/null')
    await succeed([...JOB, '--resubmit'], { env })
    await succeed(['kubernetes', 'demo', '--delete', '--name', 'mine'], { env })
    const label = 'app.kubernetes.io/managed-by=factflow,app.kubernetes.io/instance'
    expect(called()).toEqual([
      `delete job,configmap --selector ${label}=demo --cascade=foreground`,
      'apply --filename -',
      `delete job,configmap --selector ${label}=mine --cascade=foreground`,
    ])
  })
})

describe('--follow', () => {
  /** A kubectl whose Jobs are in another state each time that they are asked for, the last one for good. */
  function states(workers: object[], reports: object[]): void {
    for (const [job, all] of Object.entries({ demo: workers, 'demo-report': reports })) {
      for (const old of [...Array(9).keys(), 'last', 'count'])
        rmSync(join(folder, `${job}.${old}`), { force: true })
      all.forEach((status, i) => {
        const last = i === all.length - 1 ? 'last' : String(i)
        writeFileSync(join(folder, `${job}.${last}`), JSON.stringify({ spec: { completions: 4 }, status }))
      })
    }
    kubectl(`cd '${folder}'; n=$(cat "$3.count" 2>/dev/null || echo 0); echo $((n + 1)) > "$3.count"
cat "$3.$n" 2>/dev/null || cat "$3.last"`)
  }
  const complete = { conditions: [{ type: 'Complete', status: 'True' }] }

  test('says what has changed until both Jobs have ended', async () => {
    states(
      [
        { active: 2 },
        { active: 2 },
        { active: 1, completedIndexes: '0,1' },
        { completedIndexes: '0-3', ...complete },
      ],
      [{ active: 1 }, { active: 1 }, { active: 1 }, complete],
    )
    expect(await succeed(['kubernetes', 'demo', '--follow', '1'], { env })).toBe(
      [
        'demo: 0 of 2 evaluations, 0 of 2 sweeps, 2 running; report: waiting or running',
        'demo: 2 of 2 evaluations, 0 of 2 sweeps, 1 running; report: waiting or running',
        'demo: 2 of 2 evaluations, 2 of 2 sweeps, 0 running; report: complete',
        '',
      ].join('\n'),
    )
    expect(new Set(called())).toEqual(
      new Set(['get job demo --output json', 'get job demo-report --output json']),
    )
  })

  /** Asked for the workers' Job, kubectl fails from one look to another. */
  function fails(from: number, to: number): void {
    const file = join(bin, 'kubectl')
    const says = readFileSync(file, 'utf8').replace(
      '\ncat ',
      `\nif [ "$3" = demo ] && [ "$n" -ge ${from} ] && [ "$n" -le ${to} ]; then echo 'Unable to connect to the server' >&2; exit 1; fi\ncat `,
    )
    writeFileSync(file, says)
  }

  test('bears looks that fail, and says so', async () => {
    states([{ active: 1 }, { completedIndexes: '0-3', ...complete }], [{ active: 1 }, complete])
    fails(1, 2)
    const { code, stdout, stderr } = await factflow(['kubernetes', 'demo', '--follow', '1'], { env })
    expect({ code, lines: stdout.trimEnd().split('\n').length }).toEqual({ code: 0, lines: 2 })
    expect(stderr.match(/^note: looks again: kubectl get: must succeed, got /gm)).toHaveLength(2)
  })

  test('gives up after ten in a row, or where it never saw the Jobs', async () => {
    states([{ active: 1 }], [{ active: 1 }])
    fails(1, 99)
    const { code, stderr } = await factflow(['kubernetes', 'demo', '--follow', '1'], { env })
    expect(code).toBe(2)
    expect(stderr.match(/^note: looks again: /gm)).toHaveLength(9)
    expect(stderr).toMatch(/^error: kubectl get: must succeed, got "Unable to connect to the server"; /m)

    states([{ active: 1 }], [{ active: 1 }])
    fails(0, 99)
    expect(await refuse(['kubernetes', 'demo', '--follow', '1'], { env })).toMatch(/^error: kubectl get: /)
  }, 60_000)

  test('ends with exit code 1 when the workers have failed', async () => {
    const failed = {
      type: 'Failed',
      status: 'True',
      reason: 'FailedIndexes',
      message: 'Job has failed indexes',
    }
    states([{ completedIndexes: '0,2-3', failedIndexes: '1', conditions: [failed] }], [{ active: 1 }])
    expect(await factflow(['kubernetes', 'demo', '--follow'], { env })).toEqual({
      code: 1,
      stdout:
        'demo: 1 of 2 evaluations, 2 of 2 sweeps, 0 running, failed: evaluation 2/2, FailedIndexes: Job has failed indexes; report: waiting or running\n',
      stderr: expect.stringMatching(/^note: kubectl logs .*instance=demo .*--resubmit/),
    })
  })
})
