/** The figures of docs/performance.md: the roofline, and how cost grows. */
import type { Roof, RowOf } from '../../bench/record.js'
import { COLORS, configOf, DEFAULT_LOOK, MEASURES } from '../../src/figures/look.js'
import { header, rounded, SHAPES, type VegaLiteSpec } from '../../src/figures/style.js'
import type { Records } from './records.js'

const { palette, rule, ink } = COLORS[DEFAULT_LOOK.theme]
const { line, marker, label } = MEASURES[DEFAULT_LOOK.size]

function spec(title: string, subtitle: string, width: number, body: object): VegaLiteSpec {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: title,
    title: header({ title, subtitle }, width),
    ...body,
    config: configOf(DEFAULT_LOOK),
  } as unknown as VegaLiteSpec
}

/** Colours and markers by name, in one legend. */
function kinds(field: string, names: readonly string[]) {
  const of = (range: readonly string[]) => ({
    field,
    type: 'nominal',
    title: null,
    legend: { orient: 'bottom', columns: 4, labelLimit: 400, symbolOpacity: 1 },
    scale: { domain: names, range: names.map((_, i) => range[i % range.length]) },
  })
  return { color: of(palette), shape: of(SHAPES) }
}

/** Numbers for a logarithmic axis: powers of ten, and 2 and 5 times these where the domain has few. */
function logTicks(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low))
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, i) => 10 ** (first + i))
  const within = (values: number[]): number[] => values.filter((value) => value >= low && value <= high)
  const tens = within(powers)
  return tens.length > 2 ? tens : within(powers.flatMap((power) => [power, 2 * power, 5 * power]))
}

/** A logarithmic axis over a domain. */
const logAxis = (
  field: string,
  title: string,
  [low, high]: readonly [number, number],
  format: '~s' | '~g' = '~s',
) => ({
  field,
  type: 'quantitative',
  scale: { type: 'log', domain: [low, high], nice: false },
  axis: { title, grid: true, format, values: logTicks(low, high) },
})

/** The least and the largest value, with some room. */
const around = (values: readonly number[]): [number, number] => [
  Math.min(...values) / 1.6,
  Math.max(...values) * 1.6,
]

/** A measurement in the roofline: what it is of, FLOP per byte that must be moved, FLOP per second reached. */
interface Point {
  readonly kind: string
  readonly intensity: number
  readonly rate: number
}

type Sweep = Pick<RowOf<'sweep'>, 'seconds' | 'neededFlops' | 'neededBytes' | 'model' | 'prompts'>

function pointOf(kind: string, row: Sweep, bytes = row.neededBytes): Point {
  return {
    kind,
    intensity: row.neededFlops / bytes,
    rate: row.neededFlops / row.seconds,
  }
}

export function rooflinePoints(records: Records): Point[] {
  return [
    ...records.sweep.flatMap(({ rows }) => rows.map((row) => pointOf(`CPU, ${row.model}`, row))),
    ...records.gpu.flatMap(({ rows }) =>
      rows.map((row) => pointOf(`${row.device} ${row.arithmetic}, ${row.model}`, row)),
    ),
    // Of these the disk's bytes count: there is the narrowest way.
    ...records.stream.flatMap(({ rows }) =>
      rows.map((row) => pointOf(`from disk, ${row.model}`, row, row.diskBytes)),
    ),
  ]
}

/** `240 G` */
function giga(value: number): string {
  return `${Number((value / 1e9).toPrecision(3)).toLocaleString('en')} G`
}

/** One roof for each name: the highest measured. */
function roofsOf(records: Records): Roof[] {
  const roofs = new Map<string, Roof>()
  for (const roof of [...records.sweep, ...records.gpu, ...records.stream].flatMap((r) => r.roofs)) {
    const known = roofs.get(roof.name)
    roofs.set(roof.name, {
      name: roof.name,
      flopsPerSecond: Math.max(roof.flopsPerSecond, known?.flopsPerSecond ?? 0),
      bytesPerSecond: Math.max(roof.bytesPerSecond, known?.bytesPerSecond ?? 0),
    })
  }
  return [...roofs.values()]
}

/**
 * The roofline (Williams et al. 2009): FLOP per second reached over FLOP per byte; no more than the rate of matrix
 * products and what memory (a disk) brings. Undefined without a measurement.
 */
export function roofline(records: Records): VegaLiteSpec | undefined {
  const points = rooflinePoints(records)
  if (points.length === 0) return undefined
  const roofs = roofsOf(records)
  const corner = ({ flopsPerSecond, bytesPerSecond }: Roof): number => flopsPerSecond / bytesPerSecond
  const x = [...points.map(({ intensity }) => intensity), ...roofs.map(corner)]
  const [least, most] = [Math.min(...x) / 4, Math.max(...x) * 3]
  const lines = roofs.flatMap((roof) =>
    [least, corner(roof), most].map((intensity) => ({
      roof: `${roof.name}: ${giga(roof.bytesPerSecond)}B/s, ${giga(roof.flopsPerSecond)}FLOP/s`,
      intensity: rounded(intensity),
      rate: rounded(Math.min(roof.flopsPerSecond, roof.bytesPerSecond * intensity)),
    })),
  )
  const y = [...points, ...lines].map(({ rate }) => rate!)
  const names = [...new Set(points.map(({ kind }) => kind))]
  const encoding = {
    x: logAxis('intensity', 'FLOP needed per byte that must be moved', [least, most]),
    y: logAxis('rate', 'FLOP per second', around(y)),
  }
  const width = 620
  return spec(
    'Roofline: needed operations and bytes against what is reached',
    'Lines: the rate of matrix products alone, and what the memory or the disk brings. A point is a sweep.',
    width,
    {
      width,
      height: 340,
      layer: [
        {
          data: { values: lines },
          mark: { type: 'line', color: rule, strokeWidth: line },
          encoding: { ...encoding, detail: { field: 'roof', type: 'nominal' } },
        },
        {
          data: { values: lines.filter(({ intensity }) => intensity === rounded(least)) },
          mark: { type: 'text', align: 'left', dx: 6, dy: -2, baseline: 'top', color: ink, fontSize: label },
          encoding: { ...encoding, text: { field: 'roof', type: 'nominal' } },
        },
        {
          data: {
            values: points.map((point) => ({
              ...point,
              intensity: rounded(point.intensity),
              rate: rounded(point.rate),
            })),
          },
          mark: { type: 'point', filled: true, opacity: 1, size: 1.6 * marker },
          encoding: { ...encoding, ...kinds('kind', names) },
        },
      ],
    },
  )
}

/** Seconds against layer-rows, all series; a line of one model's least time per row. Undefined without a record. */
export function growthRows(records: Records): VegaLiteSpec | undefined {
  const rows = records.growth.flatMap((record) => record.rows)
  if (rows.length === 0) return undefined
  const models = [...new Set(rows.map(({ model }) => model))]
  const x = rows.map(({ layerRows }) => layerRows)
  const best = Math.min(...rows.map(({ seconds, layerRows }) => seconds / layerRows))
  const encoding = {
    x: logAxis('layer_rows', 'layer-rows of the plan', around(x)),
    y: logAxis(
      'seconds',
      'seconds',
      around([...rows.map(({ seconds }) => seconds), Math.min(...x) * best]),
      '~g',
    ),
  }
  const width = 560
  return spec(
    'Time against the layer-rows of the plan',
    'All measurements below; the line has slope 1',
    width,
    {
      width,
      height: 320,
      layer: [
        {
          data: {
            values: [Math.min(...x), Math.max(...x)].map((at) => ({
              layer_rows: at,
              seconds: rounded(at * best),
            })),
          },
          mark: { type: 'line', color: rule, strokeDash: [4, 3], strokeWidth: 1 },
          encoding,
        },
        {
          data: {
            values: rows.map(({ model, layerRows, seconds }) => ({
              model,
              layer_rows: layerRows,
              seconds: rounded(seconds),
            })),
          },
          mark: { type: 'point', filled: true, opacity: 0.85, size: marker },
          encoding: { ...encoding, ...kinds('model', models) },
        },
      ],
    },
  )
}

const PANELS = {
  tokens: 'few runs, target last',
  heatmap: 'a run per token and window',
  suffix: 'targets first and last: suffixes of all tokens',
} as const

/** Microseconds per layer-row over the tokens of a prompt. Undefined without a record. */
export function growthTokens(records: Records): VegaLiteSpec | undefined {
  const all = records.growth.flatMap((record) => record.rows)
  const rows = all.filter((row): row is typeof row & { series: keyof typeof PANELS } => row.series in PANELS)
  if (rows.length === 0) return undefined
  const models = [...new Set(rows.map(({ model }) => model))]
  const values = rows.map(({ model, series, value, seconds, layerRows }) => ({
    model,
    panel: PANELS[series],
    tokens: value,
    microseconds: rounded((1e6 * seconds) / layerRows),
  }))
  const width = 290
  const panels = Object.values(PANELS).map((panel, i) => ({
    title: { text: panel, anchor: 'middle', fontSize: label + 1 },
    data: { values: values.filter((value) => value.panel === panel) },
    width,
    height: 240,
    layer: [
      { mark: { type: 'line', strokeWidth: line } },
      { mark: { type: 'point', filled: true, opacity: 1, size: marker } },
    ].map((part) => ({
      ...part,
      encoding: {
        x: {
          field: 'tokens',
          type: 'quantitative',
          scale: { type: 'log', base: 2, domain: [6, 680], nice: false },
          axis: { title: 'tokens of the prompt', grid: false, values: [8, 32, 128, 512] },
        },
        y: {
          field: 'microseconds',
          type: 'quantitative',
          scale: { domain: [0, Math.max(...values.map(({ microseconds }) => microseconds!))] },
          axis: { title: i === 0 ? 'µs per layer-row' : null, domain: false, ticks: false, grid: true },
        },
        ...(part.mark.type === 'line' ? { color: kinds('model', models).color } : kinds('model', models)),
      },
    })),
  }))
  return spec('Time per layer-row', 'Flat where cost grows with layer-rows alone', 3 * width, {
    hconcat: panels,
    spacing: 24,
  })
}
