/** The tables of a report, and what the results show in words; every number comes from stored results. */
import type { Row } from '../results/database.js'
import type { Results } from '../results/results.js'
import { interval, type MeanInterval } from '../results/statistics.js'

/** A table as text. */
export interface Table {
  /** Of its CSV file. */
  readonly name: string
  readonly title: string
  readonly note?: string
  readonly columns: readonly { readonly name: string; readonly text?: boolean }[]
  /** As people read it. */
  readonly rows: readonly (readonly string[])[]
  /** The numbers, for a CSV. */
  readonly data: readonly Row[]
}

const text = (name: string): { name: string; text: true } => ({ name, text: true })
const number = (name: string): { name: string } => ({ name })

const whole = (value: number): string => value.toLocaleString('en')

/** `-36.1 ± 4.2`; without a band for one prompt. */
function band({ mean, high, n }: MeanInterval): string {
  return n > 1 ? `${mean.toFixed(1)} ± ${(high - mean).toFixed(1)}` : mean.toFixed(1)
}

/** The strongest window of a cut: where the mean relative change is lowest. */
export interface Effect {
  readonly model: string
  readonly set: string
  readonly source: string
  readonly target: string
  readonly features: string
  readonly window: number
  readonly firstLayer: number
  readonly layers: number
  readonly change: MeanInterval
  /** Percent of prompts that are right; null where nobody recorded it. */
  readonly accuracy: number | null
}

/** The strongest window of every cut, by model and prompt set, for windows of one width: `main_windows`. */
export async function strongestEffects(results: Results): Promise<Effect[]> {
  interface Found {
    model: string
    set: string
    source: string
    target: string
    features: string
    window: number
    first_layer: number
    layers: number
    n: number
    mean: number
    sd: number | null
    accuracy: number | null
  }
  const rows = await results.rows<Found & Record<string, string | number | null>>(`
    WITH per_window AS (
      SELECT model, prompt_set AS "set", source, target, features, "window", first_layer, layers, count(*) AS n,
        avg(relative_change) AS mean, stddev_samp(relative_change) AS sd, 100 * avg(hit::INTEGER) AS accuracy
      FROM knockouts JOIN models USING (run, model) JOIN main_windows USING (run, model)
        JOIN prompt_sets USING (run, model, dataset, prompt_id)
      WHERE source <> 'token' AND isfinite(relative_change) AND "window" = main_window
      GROUP BY ALL)
    SELECT * FROM per_window
    QUALIFY row_number() OVER (PARTITION BY model, "set", source, target, features, "window" ORDER BY mean, first_layer) = 1
    ORDER BY "set", model, mean`)
  return rows.map(
    ({ model, set, source, target, features, window, first_layer: firstLayer, layers, ...rest }) => ({
      ...{ model, set, source, target, features, window, firstLayer, layers, accuracy: rest.accuracy },
      change: interval({ n: rest.n, mean: rest.mean, sd: rest.sd ?? Number.NaN }, 't'),
    }),
  )
}

/** All tables of a report. */
export async function reportTables(results: Results, effects: readonly Effect[]): Promise<Table[]> {
  return [
    await modelsTable(results),
    await knownTable(results),
    await setsTable(results),
    effectsTable(effects),
    await unusableTable(results),
    await relationsTable(results),
  ].filter(({ rows }) => rows.length > 0)
}

async function modelsTable(results: Results): Promise<Table> {
  const models = results.runs.flatMap(({ file }) => Object.entries(file.models))
  const rows = models.map(([label, m]) => [
    label,
    m.source,
    m.family,
    whole(m.layers),
    m.width === undefined ? '' : whole(m.width),
    m.parameters === undefined ? '' : `${(m.parameters / 1e6).toFixed(1)} M`,
    m.origin ?? m.fingerprint?.slice(0, 12) ?? '',
  ])
  return {
    name: 'models',
    title: 'Models',
    columns: [
      text('model'),
      text('from'),
      text('family'),
      number('layers'),
      number('width'),
      number('parameters'),
      text('SHA-256 or origin'),
    ],
    rows,
    data: models.map(([label, m]) => ({
      ...{ model: label, from: m.source, family: m.family, layers: m.layers, width: m.width ?? null },
      ...{ parameters: m.parameters ?? null, sha256: m.fingerprint ?? null, origin: m.origin ?? null },
    })),
  }
}

async function knownTable(results: Results): Promise<Table> {
  const rows = await results.rows<{
    model: string
    dataset: string
    n: number
    correct: number
    top3: number
    top5: number
    prob: number
  }>(`
    SELECT model, dataset, count(*) AS n, count(*) FILTER (rank = 1) AS correct, count(*) FILTER (rank <= 3) AS top3,
      count(*) FILTER (rank <= 5) AS top5, avg(prob) AS prob
    FROM evaluations GROUP BY ALL ORDER BY dataset, correct DESC`)
  const share = (part: number, n: number): string => `${whole(part)} (${((100 * part) / n).toFixed(1)} %)`
  return {
    name: 'known',
    title: 'What the models know',
    note: 'Prompts whose answer’s first token is the model’s first choice, or among its first choices. All evaluations in the run folder count.',
    columns: [
      text('model'),
      text('data'),
      number('prompts'),
      number('first choice'),
      number('top 3'),
      number('top 5'),
      number('mean p'),
    ],
    rows: rows.map((r) => [
      ...[r.model, r.dataset, whole(r.n), share(r.correct, r.n), share(r.top3, r.n), share(r.top5, r.n)],
      r.prob.toFixed(3),
    ]),
    data: rows as unknown as Row[],
  }
}

async function setsTable(results: Results): Promise<Table> {
  const rows = await results.rows<{ prompt_set: string; model: string; dataset: string; n: number }>(
    'SELECT prompt_set, model, dataset, count(*) AS n FROM prompt_sets GROUP BY ALL ORDER BY ALL',
  )
  return {
    name: 'prompt-sets',
    title: 'Prompt sets',
    columns: [text('set'), text('model'), text('data'), number('prompts')],
    rows: rows.map(({ prompt_set: set, model, dataset, n }) => [set, model, dataset, whole(n)]),
    data: rows,
  }
}

function effectsTable(effects: readonly Effect[]): Table {
  return {
    name: 'effects',
    title: 'The strongest window of each cut',
    note: 'Mean relative change of the answer’s probability in percent, with its 95 % t interval, and how many of the prompts are right, in the window where the mean is lowest. That window was chosen for it: the interval says how far the mean is known, not how far the strongest effect is.',
    columns: [
      text('set'),
      text('model'),
      text('cut'),
      text('features'),
      text('layers'),
      number('change, %'),
      number('right, %'),
      number('prompts'),
    ],
    rows: effects.map((e) => [
      ...[e.set, e.model, `${e.source} → ${e.target}`, e.features],
      `${e.firstLayer}-${e.firstLayer + e.window - 1} of ${e.layers}`,
      ...[band(e.change), e.accuracy?.toFixed(1) ?? '', whole(e.change.n)],
    ]),
    data: effects.map(
      ({ change, set, model, source, target, features, window, firstLayer, layers, accuracy }) => ({
        ...{ prompt_set: set, model, source, target, features, window, first_layer: firstLayer, layers },
        ...{ mean: change.mean, low: change.low, high: change.high, n: change.n, accuracy },
      }),
    ),
  }
}

async function unusableTable(results: Results): Promise<Table> {
  const rows = await results.rows<{
    dataset: string
    model: string | null
    reason: string
    n: number
    example: string
  }>(`
    SELECT dataset, model, reason, count(*) AS n, min_by(place || ': ' || detail, prompt_id) AS example
    FROM unusable GROUP BY ALL ORDER BY dataset, n DESC, model, reason`)
  return {
    name: 'unusable',
    title: 'What could not be used',
    note: 'All of it is in the table `unusable` of the run.',
    columns: [text('data'), text('model'), text('reason'), number('facts'), text('for instance')],
    rows: rows.map((r) => [r.dataset, r.model ?? 'any', r.reason, whole(r.n), r.example]),
    data: rows,
  }
}

async function relationsTable(results: Results): Promise<Table> {
  const rows = await results.rows<{
    relation: string
    model: string
    n: number
    correct: number
    prob: number
  }>(`
    SELECT relation, model, count(*) AS n, count(*) FILTER (rank = 1) AS correct, avg(prob) AS prob
    FROM evaluations WHERE relation IS NOT NULL GROUP BY ALL ORDER BY ALL`)
  return {
    name: 'relations',
    title: 'What the models know, by relation',
    columns: [
      text('relation'),
      text('model'),
      number('prompts'),
      number('first choice, %'),
      number('mean p'),
    ],
    rows: rows.map((r) => [
      ...[r.relation, r.model, whole(r.n), ((100 * r.correct) / r.n).toFixed(1), r.prob.toFixed(3)],
    ]),
    data: rows,
  }
}

/**
 * What stands out, a sentence or two for each model: the cut that costs most, and which features of the subject carry
 * it, called a difference only where the paired 95 % interval leaves out 0.
 */
export async function summarySentences(results: Results, effects: readonly Effect[]): Promise<string[]> {
  const sentences: string[] = []
  const set = effects.find(({ set: name }) => name.startsWith('all-'))?.set ?? effects[0]?.set
  const own = effects.filter((effect) => effect.set === set)
  for (const model of results.runs.flatMap(({ file }) => Object.keys(file.models))) {
    const cuts = own.filter((effect) => effect.model === model && effect.features === 'all')
    const [first, second] = [...cuts].sort((a, b) => a.change.mean - b.change.mean)
    if (!first) continue
    const next = second
      ? `, before ${second.source} → ${second.target} (${second.change.mean.toFixed(1)} %)`
      : ''
    sentences.push(
      first.change.mean < 0
        ? `${model} (${whole(first.change.n)} prompts of ${set}): cutting ${first.source} → ${first.target} in layers ${first.firstLayer}-${first.firstLayer + first.window - 1} of ${first.layers} costs the answer most, ${band(first.change)} %${next}.${await featuresSentence(results, set!, model)}`
        : `${model} (${whole(first.change.n)} prompts of ${set}): no cut lowers the answer’s probability on average.`,
    )
  }
  return sentences
}

async function featuresSentence(results: Results, set: string, model: string): Promise<string> {
  const [row] = await results.rows<{ first_layer: number; n: number; mean: number; sd: number | null }>(
    `WITH own AS (
       SELECT run, model, dataset, prompt_id, "window", first_layer, features, relative_change AS v
       FROM knockouts JOIN main_windows USING (run, model) JOIN prompt_sets USING (run, model, dataset, prompt_id)
       WHERE model = $model AND prompt_set = $set AND source = 'subject' AND target = 'last'
         AND isfinite(relative_change) AND "window" = main_window),
     paired AS (
       SELECT first_layer, d.v - i.v AS v, a.v AS whole
       FROM own a JOIN own d USING (run, model, dataset, prompt_id, "window", first_layer)
         JOIN own i USING (run, model, dataset, prompt_id, "window", first_layer)
       WHERE a.features = 'all' AND d.features = 'context-dependent' AND i.features = 'context-independent')
     SELECT first_layer, count(*) AS n, avg(v) AS mean, stddev_samp(v) AS sd FROM paired
     GROUP BY first_layer ORDER BY avg(whole), first_layer LIMIT 1`,
    { model, set },
  )
  if (!row || row.n < 2) return ''
  const difference = interval({ n: row.n, mean: row.mean, sd: row.sd ?? Number.NaN }, 't')
  const numbers = `there, the change from cutting its context-dependent features less that from cutting its context-independent ones is ${band(difference)} points (paired)`
  if (difference.high < 0)
    return ` The subject’s facts flow through its context-dependent features: ${numbers}.`
  if (difference.low > 0)
    return ` The subject’s facts flow through its context-independent features: ${numbers}.`
  return ` The subject’s two kinds of features do not differ clearly: ${numbers}.`
}
