/** Curves of stored results: which rows, grouped how, in figures. */
import { InputError, show } from '../errors.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import { ROLES } from '../prompts/roles.js'
import { identifier, literal } from '../results/database.js'
import type { Results } from '../results/results.js'
import { bootstrapIntervals, interval, type MeanInterval } from '../results/statistics.js'
import { NothingStored } from './drawn.js'
import { DIMENSIONS, type Dimension, SOURCES } from './names.js'
import type { CurvesDefinition } from './study.js'

/** One point of a curve. */
export interface StoredPoint {
  readonly firstLayer: number
  readonly window: number
  /** Layers of the model. */
  readonly layers: number
  readonly value: MeanInterval
}

/** The points of one choice of values of the dimensions. */
export interface StoredCurve {
  /** Values of all dimensions, as texts. */
  readonly at: Readonly<Record<Dimension, string>>
  readonly points: readonly StoredPoint[]
}

/** The SQL of each dimension. */
const SQL: Readonly<Record<Dimension, string>> = {
  run: 'run',
  model: 'model',
  family: 'family',
  dataset: 'dataset',
  'prompt set': 'prompt_set',
  window: '"window"',
  source: 'source',
  target: 'target',
  features: 'features',
}

type Where = CurvesDefinition['where']

/** The dimensions that a figure shows. */
export function shown({ lines, columns, rows, each }: CurvesDefinition): Dimension[] {
  return [each, rows, columns, lines].filter((dimension) => dimension !== undefined)
}

/** SQL of the rows that a figure is about: dimensions, layers, first_layer, prompt_id and the value `v`. */
function selection(definition: CurvesDefinition): string {
  const { where, value, minus, lines } = definition
  const inSets = shown(definition).includes('prompt set') || where.promptSet !== undefined
  const sets = inSets ? 'JOIN prompt_sets USING (run, model, dataset, prompt_id)' : ''
  const columns = [...DIMENSIONS.filter((one) => one !== 'prompt set').map((one) => SQL[one])]
  columns.push(inSets ? 'prompt_set' : "'' AS prompt_set", 'layers', 'first_layer', 'prompt_id')
  const v = value === 'change' ? 'relative_change' : '100.0 * hit::INTEGER'
  // An answer whose probability is 0 has no relative change.
  const rows = `SELECT ${columns}, ${v} AS v FROM knockouts JOIN models USING (run, model) JOIN main_windows USING (run, model) ${sets}
    WHERE source <> 'token' AND isfinite(${v}) ${conditions(where)}`
  if (minus === undefined) return rows
  // Models of a family differ in depth; everything else that tells curves apart must be the same.
  const differ = lines === 'model' ? ['model', 'family'] : [lines]
  const same = DIMENSIONS.filter((one) => !differ.includes(one)).map((one) => SQL[one])
  return `WITH chosen AS (${rows})
    SELECT a.* EXCLUDE (v), a.v - b.v AS v
    FROM chosen a JOIN chosen b USING (${same}, first_layer, prompt_id)
    WHERE b.${SQL[lines]}::VARCHAR = ${literal(minus)} AND a.${SQL[lines]}::VARCHAR <> ${literal(minus)}`
}

export function conditions(where: Where): string {
  const names: [string, readonly string[] | undefined][] = [
    ['run', where.run],
    ['model', where.model],
    ['family', where.family],
    ['dataset', where.dataset],
    ['prompt_set', where.promptSet],
    ['source', where.source],
    ['target', where.target],
    ['features', where.features],
  ]
  const parts = names.flatMap(([column, values]) =>
    values ? [`AND ${identifier(column)} IN (${values.map(literal)})`] : [],
  )
  if (where.window) {
    const numbers = where.window.map((window) => (window === 'default' ? 'main_window' : String(window)))
    parts.push(`AND "window" IN (${numbers})`)
  }
  if (where.relation || where.known) {
    const relation = where.relation ? ` AND relation IN (${where.relation.map(literal)})` : ''
    const hit = where.known ? ` AND hit IN (${where.known.map((known) => known === 'known')})` : ''
    const prompt = '(run, model, dataset, prompt_id)'
    parts.push(`AND ${prompt} IN (SELECT ${prompt} FROM evaluations WHERE true${relation}${hit})`)
  }
  return parts.join(' ')
}

/**
 * The curves that a definition asks of results, in the order in which a figure shows them.
 * @throws InputError when there are none, or when a dimension that is not shown has several values
 */
export async function storedCurves(
  results: Results,
  definition: CurvesDefinition,
  where = `figure ${definition.name}`,
): Promise<StoredCurve[]> {
  checkMinus(results, definition, where)
  const rows = selection(definition)
  await checkFixed(results, rows, definition, where)
  const keys = DIMENSIONS.map((dimension) => `${SQL[dimension]}::VARCHAR AS ${identifier(dimension)}`)
  const list = definition.interval === 'bootstrap' ? 'list(v ORDER BY dataset, prompt_id)' : 'NULL'
  const found = await results.rows<
    Record<Dimension, string> & {
      first_layer: number
      width: number
      layers: number
      n: number
      mean: number
      sd: number | null
      list: number[] | null
    }
  >(
    `SELECT ${keys}, first_layer, "window" AS width, layers, count(*) AS n, avg(v) AS mean,
       stddev_samp(v) AS sd, ${list} AS list
     FROM (${rows}) GROUP BY ALL ORDER BY ALL`,
  )
  if (found.length === 0) {
    const asked = Object.entries(definition.where).map(([field, values]) => `${field} ${String(values)}`)
    throw new NothingStored(
      `${where}: ${definition.minus === undefined ? 'where' : 'where and minus'} must choose some of the results, got none with ${[...asked, ...(definition.minus === undefined ? [] : [`minus ${definition.minus}`])].join('; ')}; factflow results shows what there is`,
    )
  }
  const values = intervals(found, definition)
  const curves = new Map<string, { at: Record<Dimension, string>; points: StoredPoint[] }>()
  for (const [i, row] of found.entries()) {
    const at = Object.fromEntries(DIMENSIONS.map((one) => [one, row[one] ?? ''])) as Record<Dimension, string>
    const key = JSON.stringify(DIMENSIONS.map((one) => at[one]))
    const curve = curves.get(key) ?? { at, points: [] }
    const { first_layer: firstLayer, width: window, layers } = row
    curve.points.push({ firstLayer, window, layers, value: values[i]! })
    curves.set(key, curve)
  }
  return [...curves.values()]
}

/** Differences are of the same prompts: what else lines may be has other prompts, or other ids for them. */
function checkMinus({ runs }: Results, { lines, minus }: CurvesDefinition, where: string): void {
  if (minus === undefined) return
  const unpaired: readonly Dimension[] = ['family', 'dataset', 'prompt set']
  if (unpaired.includes(lines)) {
    throw new InputError(
      `${where}: minus needs lines that are of the same prompts (model, window, source, target, features, run), got lines ${lines}; change one`,
    )
  }
  const data = new Set(
    runs.map(({ file }) =>
      JSON.stringify(
        Object.values(file.datasets)
          .map((d) => d.fingerprint ?? d.source)
          .sort(),
      ),
    ),
  )
  if (lines === 'run' && data.size > 1) {
    throw new InputError(
      `${where}: minus needs runs on the same data, got runs on different data; leave it out`,
    )
  }
}

interface Sample {
  readonly n: number
  readonly mean: number
  readonly sd: number | null
  readonly list: readonly number[] | null
}

function intervals(
  samples: readonly Sample[],
  { interval: method, level }: Pick<CurvesDefinition, 'interval' | 'level'>,
): MeanInterval[] {
  if (method === 'bootstrap')
    return bootstrapIntervals(
      samples.map(({ list }) => list!),
      { level },
    )
  return samples.map(({ n, mean, sd }) =>
    interval({ n, mean, sd: sd ?? Number.NaN }, method === 'none' ? 't' : method, level),
  )
}

/** A curve must not mix: what a figure does not show has one value in each of its curves. */
async function checkFixed(
  results: Results,
  rows: string,
  definition: CurvesDefinition,
  where: string,
): Promise<void> {
  const free = DIMENSIONS.filter((one) => !shown(definition).includes(one))
  const counts = free.map((one) => `max(${identifier(one)}) AS ${identifier(one)}`)
  const columns = free.map((one) => `count(DISTINCT ${SQL[one]}) AS ${identifier(one)}`)
  const [most] = await results.rows<Record<Dimension, number | null>>(
    `SELECT ${counts} FROM (SELECT ${columns} FROM (${rows}) GROUP BY ${shown(definition).map((one) => SQL[one])})`,
  )
  const several = free.find((one) => (most?.[one] ?? 0) > 1)
  if (several === undefined) return
  const field = several === 'prompt set' ? 'promptSet' : several
  throw new InputError(
    `${where}: ${several} must be shown (lines, columns, rows, each) or have one value (where.${field}), got ${most![several]} of them; add it`,
  )
}

/** Order of values of a dimension: as asked for; else as they are known: roles, categories, numbers, models of the run. */
export function ordered(
  dimension: Dimension,
  values: readonly string[],
  definition: Pick<CurvesDefinition, 'where'>,
  models: readonly string[],
): string[] {
  const { where } = definition
  const wanted: Readonly<Record<Dimension, readonly string[] | undefined>> = {
    run: where.run,
    model: where.model ?? models,
    family: where.family,
    dataset: where.dataset,
    'prompt set': where.promptSet,
    window: undefined,
    source: where.source ?? SOURCES,
    target: where.target ?? ROLES,
    features: where.features ?? FEATURE_CATEGORIES,
  }
  const place = (value: string): number => {
    const at = wanted[dimension]?.indexOf(value) ?? -1
    return at < 0 ? Number.POSITIVE_INFINITY : at
  }
  const numbers = dimension === 'window'
  return [...new Set(values)].sort((a, b) =>
    numbers ? Number(a) - Number(b) : place(a) === place(b) ? a.localeCompare(b, 'en') : place(a) - place(b),
  )
}

/** @throws InputError when a name of `where` is nowhere in the results: a typing error would draw less than meant */
export async function checkWhere(results: Results, where: Where, figure: string): Promise<void> {
  const fields: [keyof Where, string, string][] = [
    ['run', 'run', 'models'],
    ['model', 'model', 'models'],
    ['family', 'family', 'models'],
    ['dataset', 'dataset', 'datasets'],
    ['promptSet', 'prompt_set', 'prompt_sets'],
    ['relation', 'relation', 'evaluations'],
  ]
  for (const [field, column, table] of fields) {
    const asked = where[field] as readonly string[] | undefined
    if (!asked) continue
    const rows = await results.rows<{ value: string }>(
      `SELECT DISTINCT ${column} AS value FROM ${table} WHERE value IS NOT NULL ORDER BY ALL`,
    )
    const known = rows.map(({ value }) => value)
    const stray = asked.find((value) => !known.includes(value))
    if (stray === undefined) continue
    throw new InputError(
      `${figure}: where.${field} must be of the results (${known.join(', ') || 'there is none'}), got ${show(stray)}; correct it`,
    )
  }
}
