/**
 * A study as objects of Kubernetes: a ConfigMap with the study, an Indexed Job of workers, a Job for the report.
 *
 * The Indexed Job has an index for every share of the evaluations, then one for every share of the sweeps. Its
 * controller starts the lowest indices first, so every evaluation is running or done before a sweep begins to wait for
 * them: however few workers there are at a time, none waits for one that cannot start.
 */
import { createHash } from 'node:crypto'
import type { IJob } from 'kubernetes-models/batch/v1/Job'
import type { IJobSpec } from 'kubernetes-models/batch/v1/JobSpec'
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { stringify } from 'yaml'
import { InputError, show } from '../errors.js'
import type { Study } from '../studies/study.js'
import { VERSION } from '../version.js'
import {
  CONTAINER,
  completions,
  podSpec,
  reportContainer,
  STUDY_FILE,
  WORKER_FILE,
  workerContainer,
  workerScript,
} from './kubernetes-pod.js'
import type { JobSettings, KubernetesSettings } from './kubernetes-settings.js'

/** An object of Kubernetes. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly [field: string]: unknown
}

/** What a ConfigMap may hold, in bytes. */
const MOST_OF_CONFIG = 1_000_000
/** Exit code of unusable input: it would be so again. */
const UNUSABLE = 2

/** The name of a study's Job: its own as a DNS label. */
export function jobName(study: Study, { name }: Pick<KubernetesSettings, 'name'>): string {
  if (name !== undefined) return name
  const own = study.name
    .toLowerCase()
    .replaceAll('_', '-')
    .slice(0, 48)
    .replace(/^-+|-+$/g, '')
  if (own !== '') return own
  throw new InputError(
    `--name: must be given for a study whose name has no letter, got ${show(study.name)}; name the Job`,
  )
}

/** The name of the Job that makes the report. */
export function reportJobName(name: string): string {
  return `${name}-report`
}

/** The label that names a study's Job on all of its objects. */
export const INSTANCE = 'app.kubernetes.io/instance'

/** Labels that choose all objects of a study. */
export function selector(name: string): Readonly<Record<string, string>> {
  return { 'app.kubernetes.io/managed-by': 'factflow', [INSTANCE]: name }
}

/**
 * The objects of a study, in the order in which they are made.
 * @param json the study as in its file
 * @throws InputError when the study is too large for a ConfigMap, or has no name that a Job can have
 */
export function kubernetesManifests(study: Study, json: unknown, settings: JobSettings): Manifest[] {
  const name = jobName(study, settings)
  const files = {
    [STUDY_FILE]: `${JSON.stringify(json, null, 2)}\n`,
    [WORKER_FILE]: workerScript(study, settings),
  }
  const text = Object.values(files).join('')
  if (Buffer.byteLength(text) > MOST_OF_CONFIG) {
    throw new InputError(
      `${study.name}: must have at most ${MOST_OF_CONFIG.toLocaleString('en')} bytes to be given to workers, got ${Buffer.byteLength(text).toLocaleString('en')}; choose prompts by relation or sample, not by ids`,
    )
  }
  // Another study is another ConfigMap: Pods that start late do not read another study than those before them.
  const configName = `${name}-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`
  const metadata = (object: string, component: string) => ({
    name: object,
    ...(settings.namespace !== undefined && { namespace: settings.namespace }),
    labels: labels(name, component, settings),
  })
  const all = completions(study, settings.shards)
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata(configName, 'study'),
      immutable: true,
      data: files,
    } satisfies IConfigMap,
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: metadata(name, 'worker'),
      spec: {
        completions: all,
        parallelism: Math.min(settings.parallelism ?? settings.shards, all),
        completionMode: 'Indexed',
        backoffLimitPerIndex: settings.retries,
        podFailurePolicy: failurePolicy('FailIndex'),
        template: {
          metadata: { labels: labels(name, 'worker', settings) },
          spec: podSpec(settings, configName, workerContainer(settings), {
            ...(Object.keys(settings.nodeSelector).length > 0 && { nodeSelector: settings.nodeSelector }),
            ...(settings.runtimeClass !== undefined && { runtimeClassName: settings.runtimeClass }),
          }),
        },
      },
    } satisfies IJob,
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: metadata(reportJobName(name), 'report'),
      spec: {
        backoffLimit: settings.retries,
        podFailurePolicy: failurePolicy('FailJob'),
        template: {
          metadata: { labels: labels(name, 'report', settings) },
          // A report needs no GPU: on nodes that are chosen for theirs it would take a place.
          spec: podSpec(settings, configName, reportContainer(study, settings), {
            ...(settings.gpus === 0 &&
              Object.keys(settings.nodeSelector).length > 0 && { nodeSelector: settings.nodeSelector }),
          }),
        },
      },
    } satisfies IJob,
  ]
}

function labels(name: string, component: string, settings: JobSettings): Readonly<Record<string, string>> {
  return {
    ...settings.labels,
    'app.kubernetes.io/name': 'factflow',
    'app.kubernetes.io/version': VERSION,
    'app.kubernetes.io/component': component,
    ...selector(name),
  }
}

/**
 * Evictions, preemptions, drained and lost nodes are no failures of a share, however many there are. What cannot be
 * used is not tried again. All else counts as a try, also 75 of a worker that waited in vain for the others: should
 * those never come, it must end.
 */
function failurePolicy(unusable: 'FailIndex' | 'FailJob'): IJobSpec['podFailurePolicy'] {
  return {
    rules: [
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      {
        action: unusable,
        onExitCodes: { containerName: CONTAINER, operator: 'In', values: [UNUSABLE] },
      },
    ],
  }
}

/** Objects as one document of JSON. */
export function asList(items: readonly Manifest[]): object {
  return { apiVersion: 'v1', kind: 'List', items }
}

/** Objects as documents of YAML, in the version that kubectl reads: its `yes` and `1:30` are no texts. */
export function asYaml(manifests: readonly Manifest[]): string {
  return manifests
    .map((manifest) => stringify(manifest, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n')
}
