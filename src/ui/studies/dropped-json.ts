/** Results that commands print with `--json`, as studies. */

import { z } from 'zod'
import { InputError, show } from '../../errors.js'
import { FEATURE_CATEGORIES } from '../../models/architecture.js'
import { ROLES } from '../../prompts/roles.js'
import { SIZED } from '../../sized.js'
import { DROPPED_TRACES } from '../../studies/names.js'
import type { StudyCurve } from '../study-protocol.js'
import { accuracyOf, type EffectTable, emptyRows } from './effect-table.js'

const flow = {
  source: z.enum(ROLES),
  target: z.enum(ROLES),
  features: z.enum(FEATURE_CATEGORIES),
}
const layers = z.int().min(1).max(10_000)

/** `factflow info-flow --json`; windows may also stand in the curves. */
const infoFlow = z.object({
  model: z.string(),
  data: z.string().optional(),
  nLayers: layers,
  window: layers.optional(),
  curves: z
    .array(
      z.object({
        ...flow,
        window: layers.optional(),
        points: z.array(
          z.object({
            firstLayer: z.int().min(0),
            mean: z.number(),
            low: z.number().nullable(),
            high: z.number().nullable(),
            accuracy: z.number().min(0).max(100),
            n: z.int().min(1),
          }),
        ),
      }),
    )
    .min(1, SIZED),
})

/** `factflow trace --json` */
const trace = z.object({
  model: z.string(),
  prompt: z.string(),
  subject: z.string(),
  answer: z.object({ id: z.int(), text: z.string() }),
  base: z.object({ prob: z.number().min(0).max(1), top: z.object({ id: z.int() }) }),
  nLayers: layers,
  window: layers,
  curves: z
    .array(
      z.object({
        ...flow,
        prob: z.array(z.number()),
        // JSON has no NaN.
        relativeChange: z.array(z.number().nullable()),
      }),
    )
    .min(1, SIZED),
})

export type Trace = z.infer<typeof trace>

/** Means of curves, without the prompts behind them. */
export interface Means {
  readonly model: string
  readonly layers: number
  readonly dataset: string
  readonly curves: readonly StudyCurve[]
}

export type JsonResult =
  | { readonly kind: 'means'; readonly means: Means }
  | { readonly kind: 'trace'; readonly trace: Trace }

/**
 * What a command printed.
 * @throws InputError when it has no curves
 */
export function readResult(json: unknown, path: string): JsonResult {
  const [first] = Array.isArray(json) ? json : [json]
  const has = (...names: string[]): boolean =>
    typeof first === 'object' && first !== null && names.every((name) => name in first)
  const advice = 'drop a run folder, or what info-flow or trace printed with --json'
  if (has('heatmap', 'curves')) return { kind: 'trace', trace: parsed(trace, json, path, 'trace') }
  if (has('nLayers', 'curves')) {
    return { kind: 'means', means: meansOf(parsed(infoFlow, json, path, 'info-flow'), path) }
  }
  if (has('tokens', 'relativeChange')) {
    throw new InputError(
      `${path}: must have curves over roles of tokens, got heatmaps of single tokens; open their prompts in Explore, or ${advice}`,
    )
  }
  if (has('prompts', 'relations')) {
    throw new InputError(`${path}: must have effects of knockouts, got an evaluation without any; ${advice}`)
  }
  throw new InputError(`${path}: must be results of factflow, got ${show(json)}; ${advice}`)
}

function parsed<T>(schema: z.ZodType<T>, json: unknown, path: string, command: string): T {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new InputError(
    `${path}: must be what factflow ${command} --json prints, got ${issue!.path.join('.') || 'a value'}: ${issue!.message}; run the command again`,
  )
}

function meansOf(result: z.infer<typeof infoFlow>, path: string): Means {
  const { model, data: dataset = 'not recorded', nLayers } = result
  const seen = new Set<string>()
  const curves = result.curves.flatMap((curve, c): StudyCurve[] => {
    const { source, target, features, points } = curve
    const window = curve.window ?? result.window
    const where = `${path}: curves[${c}]`
    if (window === undefined || window > nLayers) {
      throw new InputError(
        `${where}: window must be from 1 to ${nLayers}, got ${show(window)}; run the command again`,
      )
    }
    const key = [source, target, features, window].join(' ')
    if (seen.has(key)) {
      throw new InputError(`${where}: a curve must be there once, got ${key} again; run the command again`)
    }
    seen.add(key)
    const beyond = points.find(({ firstLayer }) => firstLayer > nLayers - window)
    if (beyond) {
      throw new InputError(
        `${where}: firstLayer must be from 0 to ${nLayers - window}, got ${beyond.firstLayer}; run the command again`,
      )
    }
    if (points.length === 0) return []
    const at = { model, dataset, window, source, target, features }
    const sorted = [...points].sort((a, b) => a.firstLayer - b.firstLayer)
    return [
      {
        at,
        layers: nLayers,
        points: sorted.map(({ firstLayer, n, mean, low, high, accuracy }) => {
          return { firstLayer, n, mean, low, high, ...accuracyOf(accuracy, n) }
        }),
      },
    ]
  })
  return { model, layers: nLayers, dataset, curves }
}

/** Add the curves of one prompt to a table. @param id what the prompt is called */
export function addTrace(table: EffectTable, result: Trace, id: string, path: string): void {
  const { model, prompt, subject, answer, base, window, nLayers, curves } = result
  const starts = nLayers - window + 1
  for (const [c, { prob, relativeChange }] of curves.entries()) {
    if (prob.length === starts && relativeChange.length === starts) continue
    throw new InputError(
      `${path}: curves[${c}] must have a value for each of ${starts} windows, got ${prob.length} and ${relativeChange.length}; run the command again`,
    )
  }
  const number = table.promptNumber(DROPPED_TRACES, id)
  for (const { source, target, features, prob, relativeChange } of curves) {
    const rows = emptyRows(starts)
    rows.cut.fill(table.cutNumber({ model, dataset: DROPPED_TRACES, window, source, target, features }))
    rows.prompt.fill(number)
    rows.firstLayer.set(prob.map((_, first) => first))
    rows.baseProb.fill(base.prob)
    rows.prob.set(prob)
    rows.change.set(relativeChange.map((change) => change ?? Number.NaN))
    rows.hit.fill(-1)
    table.add(rows)
  }
  table.evaluate(model, number, {
    prompt,
    subject,
    answer: answer.text,
    relation: null,
    hit: base.top.id === answer.id,
  })
}
