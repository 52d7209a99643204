/** The files of the authors' results below a folder, and what the names of their folders say. */
import { createHash } from 'node:crypto'
import { access, readdir } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { unreadable } from '../checkpoints/node-file.js'
import { errorCode, InputError, show } from '../errors.js'
import type { FeatureCategory } from '../models/architecture.js'
import { isRole, ROLES, type Role } from '../prompts/roles.js'
import { type AuthorsModel, authorsModel } from './models.js'

/** What every file is of. */
export interface AuthorsFile {
  readonly path: string
  readonly model: AuthorsModel
  readonly dataset: string
  /** `code_version`: one of the authors' own runs of everything. */
  readonly version: string
  /** What tells the file's contents from all others', wherever it lies: letters, digits, dashes. */
  readonly id: string
}

/** `evaluate_model/.../outputs.csv`: prompts without a knockout. */
export interface EvaluationFile extends AuthorsFile {
  readonly kind: 'evaluation'
}

/** `info_flow/.../info_flow.json`: one source role, target role and feature category, all windows. */
export interface InfoFlowFile extends AuthorsFile {
  readonly kind: 'info-flow'
  readonly window: number
  readonly source: Role
  readonly target: Role
  readonly features: FeatureCategory
}

/** `heatmap/.../heatmaps.h5`: single tokens -> last, all windows. */
export interface HeatmapFile extends AuthorsFile {
  readonly kind: 'heatmap'
  readonly window: number
}

export type ResultFile = EvaluationFile | InfoFlowFile | HeatmapFile

/** Evaluations first: knockouts are measured against their probabilities. */
const KINDS: readonly { readonly name: string; readonly kind: ResultFile['kind'] }[] = [
  { name: 'outputs.csv', kind: 'evaluation' },
  { name: 'info_flow.json', kind: 'info-flow' },
  { name: 'heatmaps.h5', kind: 'heatmap' },
]

/**
 * The authors name a category after the third of the features that they keep (`_get_feature_mask` of their
 * src/experiments/infrastructure/model_interface.py: FAST_DECAY takes the smallest norms, and what it takes goes on
 * contributing in helpers/knockout_scan.py); here it is named after what that cuts (ARCHITECTURE.md, "The method").
 */
const FEATURES: Readonly<Record<string, FeatureCategory>> = {
  ALL: 'all',
  FAST_DECAY: 'context-dependent',
  SLOW_DECAY: 'context-independent',
}

/** Files found, and those whose folders do not say what they are of. */
export interface Found {
  readonly files: readonly ResultFile[]
  readonly failures: readonly InputError[]
}

/**
 * Find result files at any depth below a folder (`output/`, one experiment, one model or one knockout), and the
 * evaluation that belongs to each of them where it lies beside, as in the authors' layout. Hidden folders (snapshots
 * of the same files) and links are passed by.
 *
 * Files of one version, model and data set follow each other, evaluations first.
 * @throws InputError when the folder cannot be read or there is no such file
 */
export async function findResults(folder: string): Promise<Found> {
  const files = new Map<string, ResultFile>()
  const failures: InputError[] = []
  let found = false
  for await (const path of resultPaths(folder)) {
    found = true
    try {
      const file = describeFile(path)
      files.set(resolve(path), file)
      const evaluation = file.kind === 'evaluation' ? undefined : evaluationBeside(path)
      if (evaluation && !files.has(evaluation) && (await exists(evaluation))) {
        files.set(evaluation, describeFile(evaluation))
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      failures.push(error)
    }
  }
  if (!found) {
    throw new InputError(
      `${folder}: must hold results of the authors' code (${KINDS.map(({ name }) => name).join(', ')}), got none; give their output folder`,
    )
  }
  const order = (file: ResultFile): string =>
    [file.version, file.model.name, file.dataset, KINDS.findIndex(({ kind }) => kind === file.kind)].join(
      '\0',
    )
  const byPlace = [...files].sort(([a], [b]) => compare(a, b)).map(([, file]) => file)
  return { files: byPlace.sort((a, b) => compare(order(a), order(b))), failures }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

async function* resultPaths(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') {
      throw new InputError(
        `${folder}: must be a folder, got ${errorCode(error) === 'ENOENT' ? 'nothing there' : 'a file'}; give the authors' output folder`,
      )
    }
    throw unreadable(folder, error)
  })
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && !entry.name.startsWith('.')) yield* resultPaths(path)
    else if (entry.isFile() && KINDS.some(({ name }) => name === entry.name)) yield path
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** `.../heatmap/v=1/arch=a/size=b/ds=c/ws=9/outputs/heatmaps.h5` to `.../evaluate_model/v=1/.../ds=c/outputs/outputs.csv` */
function evaluationBeside(path: string): string | undefined {
  const folders = dirname(resolve(path)).split(sep)
  const version = folders.findLastIndex((folder) => folder.startsWith('v='))
  const dataset = folders.findLastIndex((folder) => folder.startsWith('ds='))
  if (version < 1 || dataset < version) return undefined
  const root = folders.slice(0, version - 1)
  return [...root, 'evaluate_model', ...folders.slice(version, dataset + 1), 'outputs', 'outputs.csv'].join(
    sep,
  )
}

/**
 * What a path says: `v=1/arch=mamba1/size=130M/ds=counter_fact/ws=9/target=last/source=subject/feature_category=ALL`.
 * @throws InputError when something is missing or unknown
 */
function describeFile(path: string): ResultFile {
  const folders = dirname(resolve(path)).split(sep)
  const value = (key: string): string => {
    const found = folders.findLast((folder) => folder.startsWith(`${key}=`))?.slice(key.length + 1)
    if (found) return found
    throw new InputError(
      `${path}: the names of its folders must say what it is of, got none of the form ${key}=...; keep the layout of the authors' output folder`,
    )
  }
  const [version, arch, size, dataset] = [value('v'), value('arch'), value('size'), value('ds')]
  const { kind } = KINDS.find(({ name }) => path.endsWith(name))!
  const id = (...parts: (string | number)[]): string => fileId([version, arch, size, dataset, kind, ...parts])
  const common = { path, model: authorsModel(arch, size), dataset, version }
  if (kind === 'evaluation') return { ...common, kind, id: id() }
  const window = Number(value('ws'))
  if (!Number.isInteger(window) || window < 1) {
    throw new InputError(
      `${path}: ws= must be a whole number from 1, got ${show(value('ws'))}; rename the folder`,
    )
  }
  if (kind === 'heatmap') return { ...common, kind, window, id: id(window) }
  const role = (key: string): Role => {
    const name = value(key).replaceAll('_', '-')
    if (isRole(name)) return name
    throw new InputError(
      `${path}: ${key}= must be one of ${ROLES.join(', ')}, got ${show(value(key))}; rename the folder`,
    )
  }
  const [source, target] = [role('source'), role('target')]
  const category = value('feature_category')
  const features = Object.hasOwn(FEATURES, category) ? FEATURES[category] : undefined
  if (!features) {
    throw new InputError(
      `${path}: feature_category= must be one of ${Object.keys(FEATURES).join(', ')}, got ${show(category)}; rename the folder`,
    )
  }
  return { ...common, kind, window, source, target, features, id: id(window, source, target, features) }
}

/** Readable, and different wherever a part is (names that differ in a dot alone included). */
function fileId(parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 8)
  const words = parts.slice(1).join('-').toLowerCase()
  return `authors-${words.replace(/[^a-z0-9]+/g, '-')}-${hash}`
}
