/**
 * A study file: which models, which data, which experiments, which figures. Its JSON Schema is published as
 * docs/study.schema.json.
 */
import { z } from 'zod'
import { InputError, show } from '../errors.js'
import { parseFlow } from '../experiments/flows.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import { ROLES } from '../prompts/roles.js'
import { INTERVALS } from '../results/statistics.js'
import { SIZED } from '../sized.js'
import { DIMENSIONS, FIGURE_PRESETS, KNOWLEDGE, KNOWN } from './names.js'

function isFlow(text: string): boolean {
  try {
    parseFlow(text, 'flow')
    return true
  } catch {
    return false
  }
}

const text = z.string().trim().min(1, SIZED)
const count = z.int().min(1)
const names = z.array(text).min(1, SIZED)
const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.union([item, z.array(item).min(1, SIZED)]).transform((value) => (Array.isArray(value) ? value : [value]))

const model = z.strictObject({
  model: text.describe('Embedded model, folder, or id on the Hugging Face Hub.'),
  label: text.optional().describe('What figures and tables call it; default its name without the owner.'),
  family: text.optional().describe('Groups models of different sizes; default its architecture.'),
  revision: text.optional().describe('Branch, tag or commit of a model on the Hub.'),
  tokenizer: text.optional().describe('Folder, tokenizer.json or Hub id; default the model’s own.'),
})

const filters = {
  relation: oneOrMore(text).optional().describe('Only facts of these relations.'),
  split: text
    .optional()
    .describe(
      'Only facts of this split, or all; default in data held-out where there is one, in prompt sets all.',
    ),
  sample: count.optional().describe('Draw as many at most.'),
  seed: z.int().min(0).optional().describe('Which are drawn; default 0.'),
}

const data = z.strictObject({
  source: text.describe('atlas (embedded), counterfact, a file (JSONL, JSON, CSV, Parquet), or a Hub id.'),
  name: text.optional().describe('What results call it; default the source’s own name.'),
  columns: z
    .strictObject({
      id: text.optional(),
      prompt: text.optional(),
      subject: text.optional(),
      answer: text.optional(),
      relation: text.optional(),
      split: text.optional(),
    })
    .optional()
    .describe('Names of the columns, where they are not those that factflow knows.'),
  revision: text.optional(),
  ids: names.optional().describe('Only facts with these ids.'),
  ...filters,
})

const promptSet = z.strictObject({
  data: text.optional().describe('Name of the data set; default all of the study’s.'),
  known: z
    .enum(KNOWN)
    .default('correct')
    .describe(
      'any; correct: the model’s first choice is right; top-3, top-5: the answer is among its first choices; all-correct and so on: of every model in `models`.',
    ),
  models: names.optional().describe('Labels of the models that all-… asks; default all of the study’s.'),
  ids: names.optional().describe('Only prompts with these ids.'),
  ...filters,
})

const windows = oneOrMore(z.union([count, z.literal('default')]))
  .default(['default'])
  .describe('Layers in a window; default: 9, or a third of the layers in models of fewer than 24.')

const flow = z.string().refine(isFlow, `must be source[>target][:features], roles ${ROLES.join(', ')}`)

const infoFlow = z.strictObject({
  promptSets: oneOrMore(text).describe('Names of prompt sets.'),
  windows,
  flows: z
    .array(flow)
    .min(1, SIZED)
    .optional()
    .describe('Curves, each source[>target][:features]; default the paper’s seven.'),
  models: names.optional().describe('Labels of models; default all.'),
})

const heatmaps = z.strictObject({
  promptSet: text.describe('Name of a prompt set.'),
  count: count.default(4).describe('How many of its prompts, the first in its order.'),
  windows,
  target: z.enum(ROLES).default('last'),
  features: z.enum(FEATURE_CATEGORIES).default('all'),
  models: names.optional().describe('Labels of models; default all.'),
})

const dimension = z.enum(DIMENSIONS)
const fileName = z.string().regex(/^[\w-]+$/, 'letters, digits, - and _ only')
const drawn = {
  name: fileName.describe('Name of its files.'),
  title: text.optional(),
  size: z.enum(['column', 'page', 'screen']).optional().describe('Default: the study’s.'),
}

const where = z
  .strictObject({
    run: names.optional(),
    model: names.optional(),
    family: names.optional(),
    dataset: names.optional(),
    promptSet: names.optional(),
    window: z.array(z.union([count, z.literal('default')])).optional(),
    source: z.array(z.enum(ROLES)).optional(),
    target: z.array(z.enum(ROLES)).optional(),
    features: z.array(z.enum(FEATURE_CATEGORIES)).optional(),
    relation: names.optional().describe('Only facts of these relations.'),
    known: z
      .array(z.enum(KNOWLEDGE))
      .min(1, SIZED)
      .optional()
      .describe('Only facts that the model knows (its first choice is right), or those that it does not.'),
  })
  .default({})

const curves = z.strictObject({
  kind: z.literal('curves'),
  ...drawn,
  lines: dimension.default('source'),
  columns: dimension.optional(),
  rows: dimension.optional(),
  each: dimension.optional().describe('One figure for each value.'),
  where: where.describe('Which results; what is left out: all there are.'),
  value: z.enum(['change', 'accuracy']).default('change'),
  minus: text
    .optional()
    .describe('A value of `lines`: each other line becomes its difference from that one, prompt by prompt.'),
  interval: z.enum([...INTERVALS, 'none']).default('t'),
  level: z.number().gt(0).lt(1).default(0.95),
  depth: z.enum(['percent', 'layers']).default('percent'),
  limits: z.tuple([z.number(), z.number()]).optional().describe('Ends of the y axis; default from the data.'),
})

const heatmapGrid = z.strictObject({
  kind: z.literal('heatmaps'),
  ...drawn,
  columns: z.enum(['model', 'window']).default('model'),
  each: z.enum(['model', 'window']).optional(),
  prompts: names.optional().describe('Ids of prompts; default those that have heatmaps, at most four.'),
  where: where.describe('Models, windows, target, features.'),
  unit: z.enum(['relative', 'absolute']).default('relative'),
})

const decay = z.strictObject({
  kind: z.literal('decay'),
  ...drawn,
  plot: z.enum(['histograms', 'boxes']).default('histograms'),
  layers: z.array(z.int().min(0)).min(1, SIZED).optional().describe('Default: at most eight, evenly spaced.'),
  models: names.optional().describe('Labels of models; default all that have feature categories.'),
})

export const figureSchema = z.discriminatedUnion('kind', [curves, heatmapGrid, decay])
export type Figure = z.infer<typeof figureSchema>
export type CurvesDefinition = z.infer<typeof curves>
export type HeatmapsDefinition = z.infer<typeof heatmapGrid>
export type DecayDefinition = z.infer<typeof decay>

export const studySchema = z.strictObject({
  $schema: z.string().optional(),
  name: fileName,
  title: text.optional(),
  description: text.optional(),
  models: z
    .array(z.union([text, model]))
    .min(1, SIZED)
    .transform((all) => all.map((one) => (typeof one === 'string' ? { model: one } : one))),
  data: oneOrMore(z.union([text, data])).transform((all) =>
    all.map((one) => (typeof one === 'string' ? { source: one } : one)),
  ),
  promptSets: z
    .record(text, promptSet)
    .default({ correct: { known: 'correct' } })
    .describe('Named sets of prompts.'),
  evaluate: z
    .strictObject({
      top: z.int().min(1).max(100).default(5).describe('How many of the most probable tokens are kept.'),
      continuation: z.int().min(0).max(100).default(5).describe('Tokens of the greedy continuation.'),
    })
    .prefault({}),
  infoFlow: oneOrMore(infoFlow).optional(),
  heatmaps: oneOrMore(heatmaps).optional(),
  figures: z.array(z.union([z.enum(FIGURE_PRESETS), figureSchema])).default([]),
  size: z.enum(['column', 'page', 'screen']).default('page').describe('Size of figures.'),
})
export type Study = z.infer<typeof studySchema>
export type StudyModel = Study['models'][number]
export type PromptSet = z.infer<typeof promptSet>

/**
 * Check a study.
 * @param where names the file, for errors
 * @throws InputError that says which field is wrong, what it must be and what it is
 */
export function parseStudy(json: unknown, where: string): Study {
  const parsed = studySchema.safeParse(json, { reportInput: true })
  if (!parsed.success) throw issueError(parsed.error.issues[0]!, where)
  const study = parsed.data
  checkNames(study, where)
  return study
}

/** What a study calls a model: its label, or its name without owner or folders. */
export function modelLabel({ model: name, label }: StudyModel): string {
  return (
    label ??
    name
      .replace(/[/\\]+$/, '')
      .split(/[/\\]/)
      .at(-1)!
  )
}

/** Names that a study refers to must be there, and what it names must differ. */
function checkNames(study: Study, where: string): void {
  const labels = study.models.map(modelLabel)
  const again = labels.find((label, i) => labels.indexOf(label) < i)
  if (again !== undefined) {
    throw new InputError(
      `${where}: models must differ in their labels, got ${show(again)} twice; give one a label`,
    )
  }
  const known = (field: string, names: readonly string[], all: readonly string[]): void => {
    const stray = names.find((name) => !all.includes(name))
    if (stray === undefined) return
    throw new InputError(
      `${where}: ${field} must be one of ${all.join(', ')}, got ${show(stray)}; correct the name or add it`,
    )
  }
  const sets = Object.keys(study.promptSets)
  for (const [name, set] of Object.entries(study.promptSets)) {
    known(`promptSets.${name}.models`, set.models ?? [], labels)
  }
  study.infoFlow?.forEach((one, i) => {
    known(`infoFlow[${i}].promptSets`, one.promptSets, sets)
    known(`infoFlow[${i}].models`, one.models ?? [], labels)
  })
  study.heatmaps?.forEach((one, i) => {
    known(`heatmaps[${i}].promptSet`, [one.promptSet], sets)
    known(`heatmaps[${i}].models`, one.models ?? [], labels)
  })
  study.figures.forEach((figure, i) => {
    if (typeof figure === 'string') return
    if (figure.kind === 'decay') known(`figures[${i}].models`, figure.models ?? [], labels)
    else {
      known(`figures[${i}].where.promptSet`, figure.where.promptSet ?? [], sets)
      known(`figures[${i}].where.model`, figure.where.model ?? [], labels)
    }
  })
  const figures = study.figures.map((figure) =>
    (typeof figure === 'string' ? figure : figure.name).toLowerCase(),
  )
  const twice = figures.find((name, i) => figures.indexOf(name) < i)
  if (twice !== undefined) {
    throw new InputError(`${where}: figures must differ in their names, got ${show(twice)} twice; rename one`)
  }
}

type Issue = z.core.$ZodIssue

/**
 * One of zod's issues as an error of input.
 * @param whole what messages call all of it
 * @param next what to do
 */
export function issueError(
  issue: Issue,
  where: string,
  whole = 'a study',
  next = 'see docs/studies.md',
): InputError {
  // Of a choice that fails in all its forms, the form that goes furthest is the one that was meant.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const furthest = issue.errors
      .map((some) => some[0]!)
      .reduce((a, b) => (b.path.length > a.path.length ? b : a))
    if (furthest.path.length > 0) {
      const path = [...issue.path, ...furthest.path]
      return issueError({ ...furthest, path } as Issue, where, whole, next)
    }
  }
  const field = issue.path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i > 0 ? `.${String(part)}` : String(part)))
    .join('')
  return new InputError(`${where}: ${field || whole}: ${rule(issue)}, got ${show(issue.input)}; ${next}`)
}

function rule(issue: Issue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return `must not have the field ${issue.keys.join(', ')}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'invalid_type':
      return issue.input === undefined
        ? `must be given (${issue.expected})`
        : `must be of type ${issue.expected}`
    case 'invalid_union': {
      const words = issue.errors
        .flat()
        .flatMap((some) => (some.code === 'invalid_value' ? some.values.map(String) : []))
      return words.length > 0 ? `must be one of ${words.join(', ')}, or an object` : 'must be of another form'
    }
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `must be at most ${issue.maximum} ${issue.origin === 'string' ? 'characters' : 'entries'} long`
        : `must be at most ${issue.maximum}`
    case 'invalid_format':
      return `must have ${issue.message}`
    default:
      return issue.message
  }
}
