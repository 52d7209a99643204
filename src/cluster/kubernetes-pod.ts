/** The Pods of a study: what they run, what they ask for, what they may do. */
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import type { Study } from '../studies/study.js'
import {
  CACHE_PATH,
  type JobSettings,
  memoryBytes,
  RUNS_PATH,
  STUDY_PATH,
  wholeProcessors,
} from './kubernetes-settings.js'

/** Files of the ConfigMap. */
export const STUDY_FILE = 'study.json'
export const WORKER_FILE = 'worker.sh'
/** What the container of every Pod is called. */
export const CONTAINER = 'factflow'
/** What a report takes: DuckDB on one thread over all parts, and Vega. */
const REPORT_RESOURCES = { cpu: '1', memory: '4Gi' }

/** The number of indices that the Job of a study has for so many shares. */
export function completions(study: Study, shards: number): number {
  return isSwept(study) ? 2 * shards : shards
}

/** Of a Job with so many indices: how many of the first evaluate, and how many of the others sweep. */
export function jobIndices(study: Study, all: number): { evaluations: number; sweeps: number } {
  const evaluations = isSwept(study) ? all / 2 : all
  return { evaluations, sweeps: all - evaluations }
}

function isSwept({ infoFlow, heatmaps }: Study): boolean {
  return infoFlow !== undefined || heatmaps !== undefined
}

/** What the Pod of an index runs. */
export function workerScript(study: Study, settings: JobSettings): string {
  const { shards, wait } = settings
  const all = completions(study, shards)
  const evaluate = `set -- --stage evaluate --shard "$((index + 1))/${shards}"`
  const sweep = `set -- --stage sweep --shard "$((index - ${shards} + 1))/${shards}" --wait ${wait}`
  const stage =
    all === shards
      ? [evaluate]
      : [`if [ "$index" -lt ${shards} ]; then`, `  ${evaluate}`, 'else', `  ${sweep}`, 'fi']
  const words = ['factflow', ...studyArguments(study, settings), ...computeArguments(settings)]
  return [
    '#!/bin/sh',
    `# Indices from 0: ${shards} shares of the evaluations${all > shards ? `, then ${shards} of the sweeps` : ''}.`,
    'set -eu',
    'index=$JOB_COMPLETION_INDEX',
    ...stage,
    `exec ${words.map(shellWord).join(' ')} "$@"`,
    '',
  ].join('\n')
}

function studyArguments(study: Study, { out }: JobSettings): string[] {
  return ['study', `${STUDY_PATH}/${STUDY_FILE}`, '--out', `${RUNS_PATH}/${out ?? study.name}`]
}

/**
 * Threads and memory are said, not found: what is multiplied at once follows from them, and so the last digits of
 * float32, which shall not depend on the node.
 */
function computeArguments(settings: JobSettings): string[] {
  const { device, dtype, tf32, offline, cpu, memoryLimit } = settings
  const memory =
    settings.memory ?? (device === 'cpu' ? String(Math.floor(memoryBytes(memoryLimit) / 2)) : undefined)
  return [
    ...['--threads', String(wholeProcessors(cpu)), '--device', device],
    ...(memory === undefined ? [] : ['--memory', memory]),
    ...(dtype === undefined ? [] : ['--dtype', dtype]),
    ...(tf32 ? ['--tf32'] : []),
    ...(offline ? ['--offline'] : []),
  ]
}

/** A text as one word of a POSIX shell, whatever is in it. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** A text in the command of a container, where `$(NAME)` means a variable and `$$` a dollar. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$')
}

export function workerContainer(settings: JobSettings): Pick<IContainer, 'command' | 'resources'> {
  const resources = {
    cpu: settings.cpu,
    memory: settings.memoryLimit,
    ...(settings.gpus > 0 && { [settings.gpuResource]: settings.gpus }),
  }
  return {
    command: ['/bin/sh', `${STUDY_PATH}/${WORKER_FILE}`],
    resources: { requests: resources, limits: resources },
  }
}

export function reportContainer(
  study: Study,
  settings: JobSettings,
): Pick<IContainer, 'command' | 'resources'> {
  return {
    command: [
      'factflow',
      ...studyArguments(study, settings),
      ...['--stage', 'report', '--wait', String(settings.reportWait)],
      ...(settings.offline ? ['--offline'] : []),
    ].map(literal),
    resources: { requests: REPORT_RESOURCES, limits: REPORT_RESOURCES },
  }
}

/** A Pod that needs nothing of its node but what it asks for, and can change nothing but its volumes. */
export function podSpec(
  settings: JobSettings,
  configName: string,
  container: Pick<IContainer, 'command' | 'resources'>,
  place: Pick<IPodSpec, 'nodeSelector' | 'runtimeClassName'>,
): IPodSpec {
  const { user, cacheClaim, mounts, secret, tolerations } = settings
  const claim = (name: string, claimName: string, readOnly = false) => ({
    name,
    persistentVolumeClaim: { claimName, ...(readOnly && { readOnly }) },
  })
  return {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: settings.grace,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      ...(user !== null && {
        runAsUser: user,
        runAsGroup: user,
        fsGroup: user,
        // Not the owner of every file of a large volume at every start.
        fsGroupChangePolicy: 'OnRootMismatch',
      }),
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...place,
    ...(tolerations.length > 0 && { tolerations }),
    ...(settings.priorityClass !== undefined && { priorityClassName: settings.priorityClass }),
    ...(settings.imagePullSecret !== undefined && { imagePullSecrets: [{ name: settings.imagePullSecret }] }),
    containers: [
      {
        name: CONTAINER,
        image: settings.image,
        ...(settings.imagePullPolicy !== undefined && { imagePullPolicy: settings.imagePullPolicy }),
        ...container,
        workingDir: RUNS_PATH,
        env: [
          { name: 'HOME', value: '/tmp' },
          {
            name: 'HF_HOME',
            value: cacheClaim === undefined ? `${RUNS_PATH}/huggingface` : CACHE_PATH,
          },
          ...(secret === undefined
            ? []
            : [{ name: 'HF_TOKEN', valueFrom: { secretKeyRef: { name: secret, key: 'HF_TOKEN' } } }]),
        ],
        volumeMounts: [
          { name: 'study', mountPath: STUDY_PATH, readOnly: true },
          { name: 'runs', mountPath: RUNS_PATH },
          { name: 'tmp', mountPath: '/tmp' },
          ...(cacheClaim === undefined ? [] : [{ name: 'cache', mountPath: CACHE_PATH }]),
          ...mounts.map(({ path }, i) => ({ name: `mount-${i}`, mountPath: path, readOnly: true })),
        ],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      },
    ],
    volumes: [
      { name: 'study', configMap: { name: configName } },
      claim('runs', settings.claim),
      { name: 'tmp', emptyDir: {} },
      ...(cacheClaim === undefined ? [] : [claim('cache', cacheClaim)]),
      ...mounts.map((one, i) => claim(`mount-${i}`, one.claim, true)),
    ],
  }
}
