/** `factflow knockout`: the raw interface, JSON Lines in and out, for scripts in any language. */
import process from 'node:process'
import type { Command } from 'commander'
import { InputError, show } from '../errors.js'
import { EXIT_SOME_FAILED } from '../exit-codes.js'
import type { Prediction } from '../knockout/head.js'
import type { Knockout } from '../knockout/knockout.js'
import type { KnockoutPrompt, Model } from '../model.js'
import type { FeatureCategory } from '../models/architecture.js'
import { lines } from './lines.js'
import { type ModelOptions, withModel, withModelOptions } from './options.js'
import { print } from './terminal.js'

/** Probabilities that are kept until their lines are written: 64 MiB, and what its line takes as text at most. */
const PROBS_AT_ONCE = 2 ** 24

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
   "knockouts":[{"layers":[0,1],"sources":[1],"targets":[2],"features":"all"}]}
A line out:
  {"id":"a","base":{"prob":0.1,"rank":3,"top":4,"probs":[...]},
   "knockouts":[{"prob":0.02,"rank":9,"top":4,"probs":[...]}]}

id is a text or a number and comes back. Positions and layers count from 0.
output is "answer" (default: no probs) or "probs" (the whole distribution at
the last position; answer may then be missing). knockouts may be missing, too.
features is "all" (default), "context-dependent" or "context-independent".

A bad line gives {"id":...,"error":"..."} in its place, the others are still
answered, and the exit code is 1.`,
    )
    .action(async (options: ModelOptions & { input?: string }) => {
      const failed = await withModel(options, (model) => answerLines(model, lines(options.input), print))
      if (failed > 0) process.exitCode = EXIT_SOME_FAILED
    })
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
      // White space around the object counts for nothing: a carriage return, a byte order mark.
      const text = line.trim()
      if (text !== '') requests.push(parseLine(model, text, number))
    }
    const good = requests.filter((request): request is Request => 'prompt' in request)
    const answers = new Map<Request, object>()
    for (const some of sweeps(good, model.spec.vocabSize)) {
      const { probs } = some[0]!
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

/** Requests that share a sweep: those without probabilities, and as many of the others as PROBS_AT_ONCE lets. */
function* sweeps(requests: readonly Request[], vocabSize: number): Generator<Request[]> {
  const without = requests.filter(({ probs }) => !probs)
  if (without.length > 0) yield without
  let some: Request[] = []
  let values = 0
  for (const request of requests) {
    if (!request.probs) continue
    const own = probsOf(request, vocabSize)
    if (some.length > 0 && values + own > PROBS_AT_ONCE) {
      yield some
      some = []
      values = 0
    }
    some.push(request)
    values += own
  }
  if (some.length > 0) yield some
}

/** Probabilities that the answer to a request holds. */
function probsOf({ prompt }: Request, vocabSize: number): number {
  return (1 + prompt.knockouts.length) * vocabSize
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
  const where = `line ${number}`
  let id: unknown = null
  try {
    const record = parseObject(line, where)
    id = parseId(record.id, where)
    const request = parseRequest(record, id, where)
    model.check(request.prompt, where)
    const most = Math.floor(PROBS_AT_ONCE / model.spec.vocabSize) - 1
    if (request.probs && request.prompt.knockouts.length > Math.max(1, most)) {
      throw new InputError(
        `${where}: with output "probs" there must be at most ${Math.max(1, most)} knockouts, got ${request.prompt.knockouts.length}; spread them over lines`,
      )
    }
    // A prompt that does not fit in the memory is a bad line, too.
    model.plan([request.prompt])
    return request
  } catch (error) {
    if (error instanceof InputError) return { id, error: error.message }
    throw error
  }
}

function parseObject(line: string, where: string): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    throw new InputError(`${where}: must be JSON, got ${show(line)}; write one object a line`)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new InputError(`${where}: must be a JSON object, got ${show(line)}; write one object a line`)
  }
  return json as Record<string, unknown>
}

/** An id, which the answer gives back as it is: so it must be a value that comes back unchanged. */
function parseId(id: unknown, where: string): string | number | null {
  if (id === undefined || id === null) return null
  if (typeof id === 'string') return id
  // Beyond 2^53 whole numbers are rounded.
  if (typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER) return id
  throw new InputError(
    `${where}: id must be a text or a number of at most 2^53 - 1, got ${typeof id === 'number' ? 'a larger one' : 'neither'}; write it as a text`,
  )
}

const FIELDS = ['id', 'tokens', 'answer', 'output', 'knockouts']
const KNOCKOUT_FIELDS = ['layers', 'sources', 'targets', 'features']

function parseRequest(record: Record<string, unknown>, id: unknown, where: string): Request {
  noOther(record, FIELDS, where)
  const { tokens, answer, output = 'answer', knockouts = [] } = record
  if (!isNumbers(tokens)) {
    throw new InputError(`${where}: tokens must be a list of token ids, got ${show(tokens)}; change it`)
  }
  if (output !== 'answer' && output !== 'probs') {
    throw new InputError(`${where}: output must be "answer" or "probs", got ${show(output)}; change it`)
  }
  if (answer === undefined && output === 'answer') {
    throw new InputError(`${where}: answer must be a token id unless output is "probs", got nothing; add it`)
  }
  if (answer !== undefined && typeof answer !== 'number') {
    throw new InputError(
      `${where}: answer must be a token id, got ${show(answer)}; change it or leave it out`,
    )
  }
  if (!Array.isArray(knockouts)) {
    throw new InputError(`${where}: knockouts must be a list, got ${show(knockouts)}; change it`)
  }
  return {
    id,
    probs: output === 'probs',
    prompt: {
      ids: tokens,
      ...(answer !== undefined && { answer }),
      knockouts: knockouts.map((knockout, i) => parseKnockout(knockout, `${where}: knockout ${i}`)),
    },
  }
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number')
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
