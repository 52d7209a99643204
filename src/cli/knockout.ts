/** `factflow knockout`: the raw interface, JSON Lines in and out, for scripts in any language. */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { InputError, show } from '../errors.js'
import type { Knockout } from '../knockout/knockout.js'
import type { Prediction } from '../knockout/sweep.js'
import type { KnockoutPrompt, Model } from '../model.js'
import type { FeatureCategory } from '../models/architecture.js'
import { type ModelOptions, withModel, withModelOptions } from './options.js'
import { print } from './terminal.js'

/** Lines answered in one sweep. */
const LINES_AT_ONCE = 256

/** One line of input, checked. */
export interface Request {
  readonly id: unknown
  readonly probs: boolean
  readonly prompt: KnockoutPrompt
}

export function knockoutCommand(program: Command): void {
  const command = program
    .command('knockout')
    .description(
      'raw interface: JSON Lines on standard input (or --input) to JSON Lines on standard output, in order',
    )
    .option('-i, --input <file>', 'read this file instead of standard input')
  withModelOptions(command)
    .addHelpText(
      'after',
      `
A line in:
  {"id":"a","tokens":[5,9,2],"answer":7,"output":"probs",
   "knockouts":[{"layers":[0,1,2],"sources":[1],"targets":[2],"features":"all"}]}
A line out:
  {"id":"a","base":{"prob":0.1,"rank":3,"top":4,"probs":[...]},
   "knockouts":[{"prob":0.02,"rank":9,"top":4,"probs":[...]}]}

output is "answer" (default: no probs) or "probs" (the whole distribution; answer may then be missing).
features is all, context-dependent or context-independent. Positions and layers count from 0.
A bad line gives {"id":...,"error":"..."} in its place, the others are still answered, and the exit code is 1.`,
    )
    .action(async (options: ModelOptions & { input?: string }) => {
      const failed = await withModel(options, (model) => answerLines(model, lines(options.input), print))
      if (failed > 0) process.exitCode = 1
    })
}

/** Lines as they come, in blocks: what has arrived is answered together. */
async function* lines(file?: string): AsyncGenerator<string[]> {
  const input = file === undefined ? process.stdin : createReadStream(file)
  try {
    if (file !== undefined) await once(input, 'open')
  } catch (error) {
    throw new InputError(
      `--input: must be a file that can be read, got ${show(file)} (${(error as Error).message}); check the path`,
    )
  }
  const reader = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  const waiting: string[] = []
  let closed = false
  let wake = (): void => {}
  reader.on('line', (line) => {
    waiting.push(line)
    if (waiting.length >= 4 * LINES_AT_ONCE) reader.pause()
    wake()
  })
  reader.on('close', () => {
    closed = true
    wake()
  })
  for (;;) {
    if (waiting.length > 0) {
      yield waiting.splice(0, LINES_AT_ONCE)
      reader.resume()
    } else if (closed) {
      return
    } else {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      // Let the rest of what has arrived come in, so that it shares the sweep.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Answer blocks of lines in order; returns how many lines were bad. */
export async function answerLines(
  model: Model,
  blocks: AsyncIterable<string[]>,
  write: (line: string) => void,
): Promise<number> {
  let failed = 0
  let number = 0
  for await (const block of blocks) {
    const requests: (Request | { id: unknown; error: string })[] = []
    for (const line of block) {
      number++
      if (line.trim() !== '') requests.push(parseLine(model, line, number))
    }
    const good = requests.filter((request): request is Request => 'prompt' in request)
    const answers = new Map<Request, object>()
    for (const probs of [false, true]) {
      const some = good.filter((request) => request.probs === probs)
      if (some.length === 0) continue
      const results = await model.knockout(
        some.map((request) => request.prompt),
        { probs },
      )
      some.forEach((request, i) => {
        const { base, knockouts } = results[i]!
        answers.set(request, { id: request.id, base: plain(base), knockouts: knockouts.map(plain) })
      })
    }
    for (const request of requests) {
      if ('error' in request) failed++
      write(JSON.stringify('prompt' in request ? answers.get(request) : request))
    }
  }
  return failed
}

/** float32 values have 9 significant digits at most. */
function digits(value: number): number {
  return Number(value.toPrecision(9))
}

function plain({ prob, rank, top, probs }: Prediction): object {
  const answer = Number.isNaN(prob) ? {} : { prob: digits(prob), rank }
  return { ...answer, top, ...(probs && { probs: Array.from(probs, digits) }) }
}

/** Read a line; what is wrong with it comes back as its error. */
function parseLine(model: Model, line: string, number: number): Request | { id: unknown; error: string } {
  let id: unknown = null
  try {
    let json: unknown
    try {
      json = JSON.parse(line)
    } catch {
      throw new InputError(`line ${number}: must be JSON, got ${show(line)}; write one object a line`)
    }
    const where = `line ${number}`
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new InputError(`${where}: must be a JSON object, got ${show(json)}; write one object a line`)
    }
    const record = json as Record<string, unknown>
    id = record.id ?? null
    const request = parseRequest(record, where)
    model.check(request.prompt, where)
    return request
  } catch (error) {
    if (error instanceof InputError) return { id, error: error.message }
    throw error
  }
}

const FIELDS = ['id', 'tokens', 'answer', 'output', 'knockouts']
const KNOCKOUT_FIELDS = ['layers', 'sources', 'targets', 'features']

function parseRequest(record: Record<string, unknown>, where: string): Request {
  noOther(record, FIELDS, where)
  const { id = null, tokens, answer, output = 'answer', knockouts = [] } = record
  if (!Array.isArray(tokens))
    throw new InputError(`${where}: tokens must be a list of token ids, got ${show(tokens)}; add it`)
  if (output !== 'answer' && output !== 'probs') {
    throw new InputError(`${where}: output must be "answer" or "probs", got ${show(output)}; change it`)
  }
  if (answer === undefined && output === 'answer') {
    throw new InputError(`${where}: answer must be a token id unless output is "probs", got nothing; add it`)
  }
  if (!Array.isArray(knockouts))
    throw new InputError(`${where}: knockouts must be a list, got ${show(knockouts)}; change it`)
  return {
    id,
    probs: output === 'probs',
    prompt: {
      ids: tokens as number[],
      ...(answer !== undefined && { answer: answer as number }),
      knockouts: knockouts.map((knockout, i) => parseKnockout(knockout, `${where}: knockout ${i}`)),
    },
  }
}

/** The shape of a knockout; its values are checked by `Model.check`. */
function parseKnockout(value: unknown, where: string): Knockout {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError(
      `${where}: must be an object, got ${show(value)}; write {"layers":[...],"sources":[...],"targets":[...]}`,
    )
  }
  const record = value as Record<string, unknown>
  noOther(record, KNOCKOUT_FIELDS, where)
  const { layers, sources, targets, features = 'all' } = record
  return {
    layers: layers as number[],
    sources: sources as number[],
    targets: targets as number[],
    features: features as FeatureCategory,
  }
}

/** A misspelt field must not be ignored in silence. */
function noOther(record: Record<string, unknown>, fields: readonly string[], where: string): void {
  const other = Object.keys(record).find((key) => !fields.includes(key))
  if (other !== undefined) {
    throw new InputError(
      `${where}: fields must be among ${fields.join(', ')}, got ${show(other)}; remove or rename it`,
    )
  }
}
