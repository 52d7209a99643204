/** The text of docs/performance.md: every number comes from the stored records. */
import type { Benchmark, BenchmarkRecord, RowOf } from '../../bench/record.js'
import { percent, size, time, verdicts } from './goals.js'
import { COMMANDS, type Records } from './records.js'

/** A Markdown table; numbers (all columns but the first `texts`) to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[], texts = 1): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, i) => (i < texts ? '---' : '---:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

/** Where and when a record was measured. */
function source({ machine, versions, date, parameters }: BenchmarkRecord): string {
  const gpu = machine.gpu === undefined ? '' : `, ${machine.gpu}`
  const asked = Object.entries(parameters).map(([name, value]) => `${name} ${value}`)
  return `${machine.cpu}, ${machine.cores} cores, ${size(machine.memoryBytes)}${gpu}; ONNX Runtime ${versions.onnxruntime}, Node ${versions.node}, factflow ${versions.factflow}; ${date} (${asked.join(', ')})`
}

function sources(records: readonly BenchmarkRecord[]): string {
  return [...new Set(records.map(source))].map((text) => `Measured on: ${text}.`).join('\n\n')
}

/** The commands of a benchmark, as code. */
function commands(benchmark: Benchmark): string {
  return COMMANDS[benchmark].map((command) => `    ${command}`).join('\n')
}

/** What a section shows: of its records, or how to make them. */
function section<B extends Benchmark>(
  records: Records,
  benchmark: B,
  show: (rows: readonly RowOf<B>[]) => string,
): string {
  const own = records[benchmark] as readonly BenchmarkRecord<B>[]
  if (own.length === 0) return `No record yet. Made by:\n\n${commands(benchmark)}`
  const shown = show(own.flatMap(({ rows }) => rows))
  return `${shown}\n\n${sources(own)} Made by:\n\n${commands(benchmark)}`
}

function goals(records: Records): string {
  const word = { true: 'met', false: 'missed', undefined: 'not measured' } as const
  return table(
    ['goal', '', 'measured'],
    verdicts(records).map(({ goal, met, measured }) => [goal, `**${word[`${met}`]}**`, measured]),
    3,
  )
}

function cpu(rows: readonly RowOf<'sweep'>[]): string {
  return table(
    [
      'model',
      'prompts at once',
      'per prompt',
      'per knockout',
      'matrix products alone, per prompt',
      'share',
      'one whole run per knockout, per prompt',
      'sweep is faster',
      'peak memory',
    ],
    rows.map((row) => {
      const perPrompt = row.seconds / row.prompts
      const whole = row.wholeRunSeconds * row.knockouts
      return [
        row.model,
        String(row.prompts),
        time(perPrompt),
        time(perPrompt / row.knockouts),
        time(row.productSeconds / row.prompts),
        percent(row.productSeconds / row.seconds),
        time(whole),
        `${(whole / perPrompt).toFixed(1)} x`,
        size(row.peakBytes),
      ]
    }),
  )
}

/** Every row of factflow beside the authors' of the same model and device. */
function peer(rows: readonly RowOf<'peer'>[]): string {
  return table(
    [
      'model',
      'device',
      'program',
      'prompts at once',
      'per prompt',
      'per knockout',
      'faster',
      'peak memory',
      'of the GPU',
      'largest relative difference of a probability',
    ],
    rows.map((row) => {
      const theirs = rows.find(
        ({ program, model, device }) => program === 'authors' && model === row.model && device === row.device,
      )
      return [
        row.model,
        row.device,
        row.program === 'authors' ? "authors' code" : 'factflow',
        String(row.prompts),
        time(row.secondsPerPrompt),
        time(row.secondsPerKnockout),
        theirs ? `${(theirs.secondsPerPrompt / row.secondsPerPrompt).toPrecision(3)} x` : '',
        size(row.peakBytes),
        row.deviceBytes === null ? '' : size(row.deviceBytes),
        row.relativeDifference === null ? '' : row.relativeDifference.toExponential(1),
      ]
    }),
    3,
  )
}

function gpu(rows: readonly RowOf<'gpu'>[]): string {
  return table(
    [
      'model',
      'device',
      'arithmetic',
      'prompts at once',
      'per prompt',
      'TFLOP/s',
      'largest difference of a probability',
    ],
    rows.map((row) => [
      row.model,
      row.device,
      row.arithmetic,
      String(row.prompts),
      time(row.seconds / row.prompts),
      (row.neededFlops / row.seconds / 1e12).toPrecision(3),
      row.largestDifference.toExponential(1),
    ]),
    3,
  )
}

function stream(rows: readonly RowOf<'stream'>[]): string {
  return table(
    [
      'model',
      'prompts',
      '--memory',
      'peak memory',
      'time',
      'per prompt',
      'read from disk',
      'disk alone',
      'matrix products alone',
    ],
    rows.map((row) => [
      row.model,
      String(row.prompts),
      size(row.memoryBytes),
      size(row.peakBytes),
      time(row.seconds),
      time(row.seconds / row.prompts),
      size(row.diskBytes),
      time(row.diskSeconds),
      time(row.productSeconds),
    ]),
  )
}

type Growth = RowOf<'growth'>

/** What each series varies, and what stays. */
const SERIES: Readonly<Record<Growth['series'], string>> = {
  layers: 'layers (4 prompts of 12 tokens, window 3)',
  window: 'window (24 layers, 4 prompts of 12 tokens)',
  prompts: 'prompts (24 layers, 12 tokens, window 9)',
  tokens: 'tokens (4 layers, one prompt, 16 knockouts of the last token)',
  heatmap: 'tokens (4 layers, one prompt, each token cut in each of 2 windows)',
  suffix: 'tokens (4 layers, one prompt, 16 knockouts, targets first and last: suffixes of all tokens)',
  target: 'target (4 layers, one prompt of 128 tokens)',
}

/** One line per series and model: from the first value to the last, what is needed and what it took. */
function growth(rows: readonly Growth[]): string {
  const lines: string[][] = []
  for (const series of Object.keys(SERIES) as Growth['series'][]) {
    for (const model of new Set(rows.map((row) => row.model))) {
      const own = rows.filter((row) => row.series === series && row.model === model)
      if (own.length === 0 || series === 'target') continue
      const [first, last] = [own[0]!, own.at(-1)!]
      const times = (of: (row: Growth) => number): string =>
        `${Number((of(last) / of(first)).toPrecision(3)).toLocaleString('en')} x`
      lines.push([
        SERIES[series],
        model,
        `${first.value} to ${last.value}`,
        times((row) => row.layerRows),
        times((row) => row.pairs),
        times((row) => row.seconds),
        ...[first, last].map((row) => time(row.seconds / row.layerRows)),
        time(last.seconds),
        size(last.plannedBytes),
      ])
    }
  }
  const head = [
    'varied',
    'model',
    'from, to',
    'layer-rows',
    'pairs of tokens',
    'time',
    'per layer-row, first',
    'last',
    'time, last',
    'planned memory, last',
  ]
  const targets = rows.filter(({ series }) => series === 'target')
  const byTarget = table(
    ['target', 'model', 'runs', 'layer-rows', 'time', 'per layer-row'],
    targets.map((row) => [
      String(row.value),
      row.model,
      String(row.runs),
      row.layerRows.toLocaleString('en'),
      time(row.seconds),
      time(row.seconds / row.layerRows),
    ]),
    2,
  )
  return `${table(head, lines, 3)}\n\nBy target: ${SERIES.target}.\n\n${byTarget}`
}

/** Whether the page shows a figure: only of what is measured. */
function figure(shown: boolean, name: string, alt: string): string {
  return shown ? `![${alt}](performance/${name}.svg)\n\n` : ''
}

/** The whole page. */
export function page(records: Records): string {
  const hasPoints = [records.sweep, records.gpu, records.stream].some(({ length }) => length > 0)
  const hasGrowth = records.growth.length > 0
  return `<!-- Made by \`npm run performance\` from docs/performance/records. -->

# Speed

How fast the sweep is, against the machine's own limit and against one whole run of the model per knockout. Every number and verdict here is computed from the records in \`docs/performance/records\`; \`npm run performance\` writes this page anew.

## Method

The **unit of work** is one prompt of 12 tokens with 8 knockouts in every window of 9 layers (three eighths of the layers in shallower models), target last: 72 knockouts for 12 layers, 128 for 24, 448 for 64. Weights are random, of true sizes.

- **Needed operations** are those of the matrix products with the weights of layers and head, 2 per term, for the rows of the plan: nothing for elementwise parts, states, or pairs of tokens. So a better plan lowers them, and the share below says what is left to gain by better graphs.
- **Matrix products alone**: the same shapes as bare ONNX Runtime graphs of 256 rows, timed in the same run: the better of one at a time on all threads and one in each lane at the same time. The **share** is their time for the needed operations over the time of the sweep.
- **One whole run per knockout**: one run of factflow on the prompt alone, times the knockouts: what the obvious way takes with the same graphs.
- **Needed bytes**: the weights once per batch, the residual stream in and out of every layer.
- Times are the fastest of several runs in one process, after one that warms up. Machines differ by more than code does: read the ratios, which are of one run.

## Goals

${goals(records)}

## CPU

${section(records, 'sweep', cpu)}

## Against the authors' code

The paper authors' code and factflow on the same random weights, one after the other on one machine (\`bench/peer\`). Time per prompt of the authors' code: its time per knockout times the knockouts, as it runs one at a time.

${section(records, 'peer', peer)}

## GPU

${section(records, 'gpu', gpu)}

## Larger than memory

Layers are read from the checkpoint in turn, each once for as many prompts as the memory holds rows of; the next is read while one computes.

${section(records, 'stream', stream)}

## Roofline

${figure(hasPoints, 'roofline', 'Operations per second against operations per byte, with the roofs of the machine')}The further right, the less the memory (for models on disk: the disk) matters; the distance to the roof is what the elementwise parts and the token mixers cost.${hasPoints ? '' : '\n\nNo record yet: see CPU, GPU, and larger than memory above.'}

## How cost grows

The design says: time grows with layer-rows, which are tokens of the prompts times layers, and tokens of each run's suffix times the layers from its window's first on. What is not in layer-rows:

- **Attention** meets pairs of tokens: T² per prompt and layer, L² and L times the context per run. Against the products of a layer's weights (\`gpt2\`: 14 MFLOP a row) the 3,000 operations per pair count from a few hundred tokens on; the elementwise passes over the scores earlier.
- **Mamba-2** meets pairs within chunks of 64 tokens and hands states from chunk to chunk, so long prompts grow with T. Runs still meet every token before their suffix, in one matrix product.
- **Mamba-1** has no pairs. Every kept set of a prompt is a state made of its T tokens: T sets, as a heatmap of every token has, take T² N D operations a layer, once per batch.
- **Batches**: a prompt whose runs do not fit one batch has its baseline computed in each. Long prompts therefore get batches of up to 8 rows of runs per token.

${figure(hasGrowth, 'growth-rows', 'Seconds against layer-rows')}${figure(hasGrowth, 'growth-tokens', 'Microseconds per layer-row against the tokens of a prompt')}${section(records, 'growth', growth)}
`
}
