/** Options that several commands share, and their values. */
import os from 'node:os'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { InputError, show } from '../errors.js'
import type { VegaLiteSpec } from '../figures/style.js'
import { visibleText } from '../figures/text.js'
import { loadModel } from '../load.js'
import type { Model } from '../model.js'
import { FEATURE_CATEGORIES } from '../models/architecture.js'
import { ROLES } from '../prompts/roles.js'
import { checkWritable, writeWhole } from '../results/whole-file.js'
import { DEVICES, type DeviceOptions, DTYPES } from '../runtime/open-runtime.js'
import { withDownloads } from './progress.js'
import { note } from './terminal.js'

export const DEFAULT_MODEL = 'tiny-mamba1'

/** The value of `option` as a whole number from `least` to `most`. */
export function wholeNumber(
  option: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text.trim()) || value < least || value > most) {
      const to = most === Number.MAX_SAFE_INTEGER ? 'on' : `to ${most}`
      throw new InputError(
        `${option}: must be a whole number from ${least} ${to}, got ${show(text)}; change it`,
      )
    }
    return value
  }
}

/** The value of `option` as one of a few words. */
function oneOf(option: string, words: readonly string[]): (text: string) => string {
  return (text) => {
    if (words.includes(text)) return text
    throw new InputError(`${option}: must be one of ${words.join(', ')}, got ${show(text)}; change it`)
  }
}

/** An option whose value is one of a few words. */
export function choice(flags: string, description: string, words: readonly string[]): Option {
  const [long] = /--[\w-]+/.exec(flags)!
  return new Option(flags, description).choices([...words]).argParser(oneOf(long, words))
}

/** The value of `option` as a text that is not empty. */
function someText(option: string): (text: string) => string {
  return (text) => {
    if (text.trim() !== '') return text
    throw new InputError(`${option}: must not be empty, got ${show(text)}; write something or leave it out`)
  }
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1e3,
  KB: 1e3,
  KIB: 2 ** 10,
  M: 1e6,
  MB: 1e6,
  MIB: 2 ** 20,
  G: 1e9,
  GB: 1e9,
  GIB: 2 ** 30,
  T: 1e12,
  TB: 1e12,
  TIB: 2 ** 40,
}

/** `4GB`, `512MiB`, `1.5g` or bytes. */
export function memorySize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  const unit = match && UNITS[(match[2] === 'B' || match[2] === 'b' ? '' : match[2]!).toUpperCase()]
  const bytes = match && unit ? Math.round(Number(match[1]) * unit) : 0
  if (bytes < 1) {
    throw new InputError(`--memory: must be a size such as 4GB or 512MiB, got ${show(text)}; change it`)
  }
  return bytes
}

/** Every layer has its own threads: thousands would take minutes to start. */
const MOST_THREADS = Math.max(64, os.availableParallelism())

/** Of all commands that compute. */
export interface ComputeOptions {
  readonly offline?: true
  readonly memory?: number
  readonly threads?: number
  readonly device?: DeviceOptions['device']
  readonly dtype?: DeviceOptions['dtype']
  readonly tf32?: true
}

export interface ModelOptions extends ComputeOptions {
  readonly model: string
  readonly revision?: string
  readonly tokenizer?: string
}

/** --revision, --offline: of models on the Hub */
export function withHubOptions(command: Command): Command {
  return command
    .option('--revision <name>', 'branch, tag or commit of a model on the Hub (default: main)')
    .option('--offline', 'make no request: use models in the cache alone, as HF_HUB_OFFLINE=1 does')
}

/** --memory, --threads, --device, --dtype, --tf32 */
export function withThreadOptions(
  command: Command,
  defaults: { readonly threads: string; readonly device?: string } = { threads: 'all processors' },
): Command {
  return command
    .addOption(
      new Option(
        '--memory <size>',
        'memory for weights and rows, such as 4GB (default: half of what is free)',
      ).argParser(memorySize),
    )
    .addOption(
      new Option('--threads <n>', `threads (default: ${defaults.threads})`).argParser(
        wholeNumber('--threads', 1, MOST_THREADS),
      ),
    )
    .addOption(choice('--device <name>', 'what computes', DEVICES).default('cpu', defaults.device))
    .addOption(
      choice('--dtype <type>', 'of weights and matrix products; float16 on GPUs alone', DTYPES).default(
        'float32',
      ),
    )
    .option('--tf32', 'matrix products on CUDA in TF32: faster, to 10 bits')
}

/** --model, --revision, --offline, --tokenizer, and those of `withThreadOptions` */
export function withModelOptions(command: Command): Command {
  command.option(
    '-m, --model <name>',
    'embedded model, folder, or id on the Hugging Face Hub (see `factflow models`)',
    DEFAULT_MODEL,
  )
  withHubOptions(command).option(
    '--tokenizer <name>',
    "folder, tokenizer.json or Hub id (default: the model's own)",
  )
  return withThreadOptions(command)
}

export interface FigureOptions {
  readonly json?: boolean
  readonly svg?: string
  readonly png?: string
}

/** --json, --svg, --png; that the files can be written is checked before the work begins. */
export function withOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print the result as JSON')
    .option('--svg <file>', 'write the figure as SVG')
    .option('--png <file>', 'write the figure as PNG')
    .hook('preAction', async (_, action) => {
      const { svg, png } = action.opts<FigureOptions>()
      if (svg !== undefined && png !== undefined && resolve(svg) === resolve(png)) {
        throw new InputError(`--png: must be another file than --svg, got ${show(png)} for both; change one`)
      }
      for (const file of [svg, png]) if (file !== undefined) await checkWritable(file)
    })
}

/** -a, --answer */
export function answerOption(): Option {
  return new Option(
    '-a, --answer <text>',
    "the right answer (default: the model's own first choice)",
  ).argParser(someText('--answer'))
}

/** -w, --window */
export function windowOption(): Option {
  return new Option(
    '-w, --window <layers>',
    'layers in a window (default: 9, or a third of the layers in models of fewer than 24)',
  ).argParser(wholeNumber('--window', 1))
}

/** --features */
export function featuresOption(): Option {
  return choice('--features <category>', 'features to cut', FEATURE_CATEGORIES).default('all')
}

/** --target */
export function targetOption(): Option {
  return choice('--target <role>', 'role of the tokens that receive nothing', ROLES).default('last')
}

/** Show what the user should read of a download, in one line. */
export function onNote(text: string): void {
  note(`note: ${visibleText(text)}`)
}

/** Use a model and close it. */
export async function withModel<T>(options: ModelOptions, use: (model: Model) => Promise<T>): Promise<T> {
  const { model: name, revision, tokenizer, offline, memory, threads, device, dtype, tf32 } = options
  return withDownloads(async (onProgress) => {
    const load = { revision, tokenizer, offline, memory, threads, device, dtype, tf32, onProgress, onNote }
    const model = await loadModel(name, load)
    if (!model.resident) {
      onNote(`${model.name} does not fit in the memory whole: its layers are loaded in turn, which is slower`)
    }
    try {
      return await use(model)
    } finally {
      await model.close()
    }
  })
}

/** Write the figure files that were asked for. */
export async function saveFigure(spec: VegaLiteSpec, { svg, png }: FigureOptions): Promise<void> {
  if (!svg && !png) return
  // Vega takes longer to load than most commands to run.
  const { toPng, toSvg } = await import('../figures/render.js')
  const drawn = await toSvg(spec)
  const pixels = png && toPng(drawn)
  if (svg) await writeWhole(svg, drawn)
  if (png && pixels) await writeWhole(png, pixels)
  for (const file of [svg, png]) if (file) note(`wrote ${file}`)
}
