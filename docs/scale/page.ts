/** docs/scale.md from a plan. */
interface Seconds {
  readonly evaluate: number
  readonly sweep: number
}

/** What a model takes: all that is computed for it. */
interface Taken {
  readonly flops: number
  /** Knockouts that are stored. */
  readonly rows: number
  readonly laptopSeconds: Seconds
  readonly gpuSeconds: Seconds
}

/** A stage on many nodes of one GPU each. */
interface Stage {
  /** Seconds of the longest share, and of all on average. */
  readonly longest: number
  readonly mean: number
  /** Weights that are read, by all. */
  readonly bytes: number
  /** Models that one node loads, at most. */
  readonly models: number
}

export interface Plan {
  readonly facts: number
  /** Shares of the facts that are supposed to be known: to each model, to all of them. */
  readonly known: { readonly correct: number; readonly allCorrect: number }
  readonly nodeCount: number
  readonly bytesPerRow: number
  readonly cpu: { readonly machine: string; readonly rate: number }
  readonly gpu: {
    readonly machine: string
    readonly measured: readonly { readonly width: number; readonly rate: number }[]
  }
  readonly models: readonly {
    readonly id: string
    readonly parameters: number
    /** Of its weights in float32, and as they are published. */
    readonly bytes: number
    readonly disk: number
    readonly likely: Taken
    /** If every model knew every fact. */
    readonly most: Taken
  }[]
  readonly nodes: { readonly evaluate: Stage; readonly sweep: Stage }
}

/** What is supposed of machines, as nobody here has measured it. */
const SUPPOSED = {
  /** US dollars for an hour of one GPU. */
  gpuHour: 3.5,
  /** Bytes per second of a shared file system, for all nodes together, and of a laptop's disk. */
  shared: 5e9,
  /** Bytes per second that one node reads. */
  node: 1e9,
}
/** Measured by `npm run bench:results`: seconds to open 1e7 rows. */
const OPEN_SECONDS_PER_ROW = 0.7 / 1e7
/** Rows of a part at most. */
const PART_ROWS = 16_000

export function page(plan: Plan): string {
  const { models, known, facts, nodeCount, cpu, gpu, nodes } = plan
  const sum = (of: (taken: Taken) => number, which: 'likely' | 'most' = 'likely'): number =>
    models.reduce((all, model) => all + of(model[which]), 0)
  const both = ({ evaluate, sweep }: Seconds): number => evaluate + sweep
  const gpuTime = ({ gpuSeconds }: Taken): number => both(gpuSeconds)
  const laptopTime = ({ laptopSeconds }: Taken): number => both(laptopSeconds)
  const downloads = models.reduce((all, { disk }) => all + disk, 0)
  // Once for each stage.
  const read = 2 * downloads
  const reading = read / SUPPOSED.node
  const onGpu = sum(gpuTime) + reading
  const onLaptop = sum(laptopTime) + reading
  const rows = sum((taken) => taken.rows)
  const most = sum((taken) => taken.rows, 'most')
  const load = (stage: Stage): number =>
    Math.max(stage.bytes / SUPPOSED.shared, stage.bytes / nodeCount / SUPPOSED.node)
  const onNodes = nodes.evaluate.longest + nodes.sweep.longest + load(nodes.evaluate) + load(nodes.sweep)
  const largest = models.reduce((a, b) => (b.bytes > a.bytes ? b : a))
  const percent = (share: number): string => `${Math.round(100 * share)} %`
  const balance = (stage: Stage): string => `${percent(stage.longest / stage.mean - 1)} above the mean`
  const opening = rows * OPEN_SECONDS_PER_ROW
  return `<!-- Made by \`npm run scale\`. -->

# The whole paper, planned

All ${models.length} models that factflow lists (the paper's, and further sizes of their families) x the ${number(facts)} facts of CounterFact x all of its figures (the preset \`paper\` with every model): evaluation with a continuation of five tokens; seven flows in windows of 9 layers on what each model knows; four sources in windows of 1, 3, 5, 9, 12 and 15 layers on what all models know; heatmaps.

Planned on paper, by \`npm run scale -- counterfact.jsonl\`: needed operations from the models' published sizes and the facts' lengths (as \`factflow study --dry-run\`), speeds from the records behind [performance.md](performance.md). Nobody has run it whole. How many facts a model knows is only known when it has been asked: supposed are ${percent(known.correct)} to each model and ${percent(known.allCorrect)} to all of them. If every model knew every fact, the knockouts would take ${(sum((t) => t.gpuSeconds.sweep, 'most') / sum((t) => t.gpuSeconds.sweep)).toFixed(1)} times as long.

| | 1 laptop | 1 GPU | ${nodeCount} nodes of one GPU |
| --- | ---: | ---: | ---: |
| needed operations | ${exponent(sum((t) => t.flops))} | the same | the same |
| time | ${time(onLaptop)} | ${time(onGpu)} | ${time(onNodes)} |
| of it evaluation | ${time(sum((t) => t.laptopSeconds.evaluate))} | ${time(sum((t) => t.gpuSeconds.evaluate))} | ${time(nodes.evaluate.longest)} |
| of it knockouts | ${time(sum((t) => t.laptopSeconds.sweep))} | ${time(sum((t) => t.gpuSeconds.sweep))} | ${time(nodes.sweep.longest)} |
| of it reading weights | ${time(reading)} or more | ${time(reading)} | ${time(load(nodes.evaluate) + load(nodes.sweep))} |
| weights on disk | ${bytes(downloads)} | ${bytes(downloads)} | ${bytes(downloads)}, shared |
| weights that are read | ${bytes(read)} or more | ${bytes(read)} | ${bytes(nodes.evaluate.bytes + nodes.sweep.bytes)} |
| memory for the largest model (${largest.id}) | ${bytes(largest.bytes)}, or layers in turn | ${bytes(largest.bytes)} of the GPU | ${bytes(largest.bytes)} of each GPU |
| rows stored | ${number(rows)} | the same | the same |
| results on disk | ${bytes(rows * plan.bytesPerRow)} in ${number(Math.ceil(rows / PART_ROWS))} parts | the same | the same |
| cost at $${SUPPOSED.gpuHour} for an hour of a GPU | | $${number(Math.round((onGpu / 3600) * SUPPOSED.gpuHour))} | $${number(Math.round(((onNodes * nodeCount) / 3600) * SUPPOSED.gpuHour))} |

- **Laptop**: ${cpu.machine}, ${(cpu.rate / 1e9).toFixed(0)} Gflop/s in matrix products; elementwise work counted as \`--dry-run\` does. With four times the cores, a quarter of the time. The weights that are read are a lower bound: where a model does not fit into memory, its layers come in turn, and are read anew for each batch of prompts that fits.
- **GPU**: ${gpu.machine}; no H200 was measured; it has the same processor, more memory and a higher bandwidth to it. Reached in float32 by whole sweeps on this H100: ${gpu.measured.map(({ width, rate }) => `${(rate / 1e12).toFixed(1)} Tflop/s at d_model ${number(width)}`).join(', ')}; between those on a line of logarithms. Mamba-2 and the transformers are supposed to reach what Mamba-1 of their width does: not measured.
- **Nodes**: the shares of \`--shard i/${nodeCount}\`, computed by the code that shares out (units of at most 512 prompts). The longest share is ${balance(nodes.evaluate)} in the evaluation and ${balance(nodes.sweep)} in the knockouts; a node loads ${nodes.evaluate.models} models at most in the first, ${nodes.sweep.models} in the second. Supposed: ${bytes(SUPPOSED.node)}/s to one node, ${bytes(SUPPOSED.shared)}/s to all together.

## What breaks first

1. **On a laptop, time.** ${time(onLaptop)}; memory does not break it: models that are too large come layer by layer. The preset \`paper-small\` is for laptops: \`factflow study paper-small --dry-run\` says how long it takes there.
2. **On one GPU, patience**, not memory: the largest model takes ${bytes(largest.bytes)} in float32 of an H200's 141 GB (of an H100's 80 GB, too). ${percent(models.filter(({ parameters }) => parameters > 6e9).reduce((all, { likely }) => all + gpuTime(likely), 0) / sum(gpuTime))} of the time are the models of 7 billion parameters and more. TF32 or float16 (never mixed with float32 in one run folder) is the first thing to try.
3. **On ${nodeCount} nodes, the file system that all read weights from**: in the evaluation ${nodeCount} nodes open ${bytes(nodes.evaluate.bytes)} at once, ${time(load(nodes.evaluate))} at ${bytes(SUPPOSED.shared)}/s, beside ${time(nodes.evaluate.longest)} of work. Copying checkpoints to local disks first, or fewer shards, is the remedy: at ${nodeCount} shards the weights are read ${((nodes.evaluate.bytes + nodes.sweep.bytes) / read).toFixed(1)} times as often as by one machine.
4. **Then the pause between the stages**: knockouts begin when the last evaluation is there, so a node that dies late holds up all; its unit of work is all that is lost.
5. **Then the reader**: ${number(rows)} rows open in about ${time(opening)} (0.7 s for 1e7), before every figure, on one thread; if every fact were known, ${number(most)} rows in ${time(most * OPEN_SECONDS_PER_ROW)}. \`factflow status\` reads which curves are there, ${number(Math.round(rows / 56))} or so, into memory, one model at a time. Every worker hashes all parts when it opens the folder, before it counts them as results: ${bytes(rows * plan.bytesPerRow)} a node when a run that is nearly done is submitted again, ${bytes(nodeCount * rows * plan.bytesPerRow)} by ${nodeCount} nodes.

## Models

| model | parameters | evaluation, 1 GPU | knockouts, 1 GPU | rows | laptop |
| --- | ---: | ---: | ---: | ---: | ---: |
${models
  .map(
    ({ id, parameters, likely }) =>
      `| ${id} | ${(parameters / 1e9).toFixed(2)} B | ${time(likely.gpuSeconds.evaluate)} | ${time(likely.gpuSeconds.sweep)} | ${number(likely.rows)} | ${time(laptopTime(likely))} |`,
  )
  .join('\n')}
`
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function exponent(value: number): string {
  return value.toExponential(1)
}

function bytes(value: number): string {
  if (value >= 1e12) return `${(value / 1e12).toFixed(1)} TB`
  return value >= 1e9
    ? `${(value / 1e9).toFixed(value >= 1e10 ? 0 : 1)} GB`
    : `${(value / 1e6).toFixed(0)} MB`
}

function time(seconds: number): string {
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)} s`
  if (seconds < 5400) return `${(seconds / 60).toFixed(0)} min`
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`
  return seconds < 2 * 31_557_600
    ? `${(seconds / 86_400).toFixed(1)} days`
    : `${(seconds / 31_557_600).toFixed(1)} years`
}
