/** What `factflow kubernetes` does; apart from its definition, since what it needs takes long to load. */
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { type KubectlOptions, kubectl } from '../cluster/kubectl.js'
import {
  asList,
  asYaml,
  INSTANCE,
  jobName,
  kubernetesManifests,
  type Manifest,
  reportJobName,
  selector,
} from '../cluster/kubernetes.js'
import { checkInputs } from '../cluster/kubernetes-inputs.js'
import { jobIndices } from '../cluster/kubernetes-pod.js'
import {
  checkKubernetes,
  jobSettings,
  type KubernetesInput,
  type KubernetesSettings,
  kubernetesSchema,
} from '../cluster/kubernetes-settings.js'
import { type JobStatus, reportStanding, workerStanding } from '../cluster/kubernetes-standing.js'
import { InputError, show } from '../errors.js'
import { EXIT_SOME_FAILED } from '../exit-codes.js'
import { visibleText } from '../figures/text.js'
import { STUDY_PRESETS } from '../studies/names.js'
import { parseStudy, type Study } from '../studies/study.js'
import { onNote } from './options.js'
import { readSettingsFile } from './settings-file.js'
import { studyJson } from './study-action.js'
import { print } from './terminal.js'

/** Flags that are settings, by the names that settings files have. */
type SettingFlags = Omit<KubernetesInput, 'mounts' | 'tolerations' | 'nodeSelector'>

export interface KubernetesCommandOptions extends SettingFlags {
  readonly config?: string
  readonly mount?: readonly string[]
  readonly nodeSelector?: readonly string[]
  readonly toleration?: readonly string[]
  readonly context?: string
  readonly apply?: true
  readonly resubmit?: true
  readonly delete?: true
  readonly follow?: number
  readonly json?: true
  readonly schema?: true
}

/** Looks in a row that may fail before it is given up: API servers restart now and then. */
const PATIENCE = 10

export async function kubernetesAction(
  name: string | undefined,
  options: KubernetesCommandOptions,
): Promise<void> {
  if (options.schema) {
    print(JSON.stringify(z.toJSONSchema(kubernetesSchema, { io: 'input' }), null, 2))
    return
  }
  if (name === undefined) {
    throw new InputError(
      `study: must be given, got nothing; name a file or a preset (${STUDY_PRESETS.join(', ')})`,
    )
  }
  const asked = (['apply', 'resubmit', 'delete'] as const).filter((what) => options[what])
  if (asked.length > 1) {
    throw new InputError(`--${asked[1]}: must not be given with --${asked[0]}, got both; leave one out`)
  }
  const json = await studyJson(name)
  const study = parseStudy(json, name)
  const settings = await readSettings(options)
  const job = jobName(study, settings)
  const to: KubectlOptions = { context: options.context, namespace: settings.namespace }
  if (options.delete) await remove(job, to)
  else if (options.follow === undefined || asked.length > 0) {
    const complete = jobSettings(settings)
    await checkInputs(study, complete)
    const manifests = kubernetesManifests(study, json, complete)
    if (asked.length === 0) return printManifests(manifests, options)
    if (options.resubmit) await remove(job, to)
    await apply(manifests, to)
  }
  if (options.follow !== undefined) await follow(study, job, options.follow, to)
}

function printManifests(manifests: readonly Manifest[], { json }: KubernetesCommandOptions): void {
  if (json) print(JSON.stringify(asList(manifests), null, 2))
  else process.stdout.write(asYaml(manifests))
}

async function apply(manifests: readonly Manifest[], to: KubectlOptions): Promise<void> {
  const input = JSON.stringify(asList(manifests))
  const said = await kubectl(['apply', '--filename', '-'], { ...to, input })
  print(said.trimEnd())
  if (/^job\S* unchanged$/m.test(said)) {
    onNote('a Job that has ended does not run again: --resubmit makes it anew, and computes what is missing')
  }
}

/** Delete the objects, and wait until their Pods are gone: what they are at is written, their places are free. */
async function remove(job: string, to: KubectlOptions): Promise<void> {
  const chosen = Object.entries(selector(job)).map(([key, value]) => `${key}=${value}`)
  const args = ['delete', 'job,configmap', '--selector', chosen.join(','), '--cascade=foreground']
  const said = await kubectl(args, to)
  if (said.trim() !== '') print(said.trimEnd())
}

/** Settings of the file, and of the flags before them. */
async function readSettings(options: KubernetesCommandOptions): Promise<KubernetesSettings> {
  const { config } = options
  const file = config === undefined ? {} : checkKubernetes(await readSettingsFile(config), config)
  const flags = settingFlags(options)
  checkKubernetes(flags, 'flags')
  return kubernetesSchema.parse({ ...file, ...flags })
}

/** The flags that were given and are settings. */
function settingFlags(options: KubernetesCommandOptions): KubernetesInput {
  const { mount, nodeSelector, toleration } = options
  const given = Object.keys(kubernetesSchema.shape).filter((field) => Object.hasOwn(options, field))
  return {
    ...Object.fromEntries(given.map((field) => [field, options[field as keyof KubernetesCommandOptions]])),
    ...(mount && { mounts: mount.map(parseMount) }),
    ...(nodeSelector && { nodeSelector: Object.fromEntries(nodeSelector.map(parseLabel)) }),
    ...(toleration && { tolerations: toleration.map(parseToleration) }),
  }
}

/** `claim:/path` */
function parseMount(text: string): { claim: string; path: string } {
  const match = /^([^:]+):(\/.+)$/.exec(text)
  if (match) return { claim: match[1]!, path: match[2]! }
  throw new InputError(`--mount: must be CLAIM:/PATH, got ${show(text)}; change it`)
}

/** `key=value` */
function parseLabel(text: string): [key: string, value: string] {
  const match = /^([^=]+)=(.*)$/.exec(text)
  if (match) return [match[1]!, match[2]!]
  throw new InputError(`--node-selector: must be KEY=VALUE, got ${show(text)}; change it`)
}

/** `key[=value][:effect]`, as kubectl writes taints. */
function parseToleration(text: string): Toleration {
  const match = /^([^=:]+)(?:=([^:]*))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?$/.exec(text)
  if (!match) {
    throw new InputError(
      `--toleration: must be KEY[=VALUE][:EFFECT] with the effect NoSchedule, PreferNoSchedule or NoExecute, got ${show(text)}; change it`,
    )
  }
  const [, key, value, effect] = match
  return {
    key,
    ...(value === undefined ? { operator: 'Exists' } : { operator: 'Equal', value }),
    ...(effect !== undefined && { effect: effect as Toleration['effect'] }),
  }
}

type Toleration = NonNullable<KubernetesInput['tolerations']>[number]

/** What of a Job is asked for. */
interface Job {
  readonly spec: { readonly completions: number }
  readonly status: JobStatus
}

/** Say how far the Jobs are whenever that has changed, until both have ended or the workers’ has failed. */
async function follow(study: Study, name: string, seconds: number, to: KubectlOptions): Promise<void> {
  const get = async (job: string): Promise<Job> =>
    JSON.parse(await kubectl(['get', 'job', job, '--output', 'json'], to)) as Job
  const look = async () => {
    const workers = await get(name)
    return {
      worker: workerStanding(workers.status, jobIndices(study, workers.spec.completions)),
      report: reportStanding((await get(reportJobName(name))).status),
    }
  }
  let said = ''
  let failures = 0
  for (;;) {
    let standing: Awaited<ReturnType<typeof look>>
    try {
      standing = await look()
    } catch (error) {
      // What was never seen is likely to be named wrongly.
      if (!(error instanceof InputError) || said === '' || ++failures === PATIENCE) throw error
      onNote(`looks again: ${error.message}`)
      await sleep(seconds * 1000)
      continue
    }
    failures = 0
    const { worker, report } = standing
    const line = `${name}: ${worker.line}; report: ${report.line}`
    if (line !== said) print(visibleText(line))
    said = line
    if (worker.ended === 'failed' || report.ended === 'failed') {
      onNote(
        `kubectl logs${to.namespace === undefined ? '' : ` -n ${to.namespace}`} --selector ${INSTANCE}=${name} --prefix says why; when that is mended, --resubmit computes what is missing`,
      )
      process.exitCode = EXIT_SOME_FAILED
      return
    }
    if (worker.ended === 'complete' && report.ended === 'complete') return
    await sleep(seconds * 1000)
  }
}
