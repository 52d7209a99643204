/**
 * What every reader must do with every input: give a result, or throw an InputError of one line. It never throws
 * anything else, takes long, takes much memory, touches files that are not its own, starts a process or opens a
 * connection, and leaves the prototypes of JavaScript's own objects as they were.
 */
import childProcess from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type fc from 'fast-check'
import { InputError } from '../../src/errors.js'

/** What an input is made of, so that it can be kept as JSON. */
export type Input =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Input[]
  | { readonly [name: string]: Input }

/** A reader of factflow, and inputs for it. */
export interface Reader<T extends Input = Input> {
  readonly name: string
  readonly inputs: fc.Arbitrary<T>
  /** Read an input. `Rejected` counts as an InputError does, for readers that tell of errors in other ways. */
  read(input: T): unknown
  /** Inputs in one of fast-check's, default 1. */
  count?(input: T): number
  /** Files that it may touch; default none. */
  readonly folder?: string
  /** And those that a library makes and takes away by itself. */
  readonly temporary?: RegExp
  open?(): Promise<void>
  close?(): Promise<void>
  /** Milliseconds of a processor that an input may take, default `LIMITS.ms`. */
  readonly ms?: number
  /** MB that the process may grow by while an input is read, default `LIMITS.mb`. */
  readonly mb?: number
}

/** Inputs are of some kilobytes: what takes longer or more does not follow from their size. */
export const LIMITS = { ms: 1000, mb: 64 } as const

/** The most characters of a message. */
const MOST_CHARACTERS = 4000

/** In memory where the system has such a place. */
const PLACE = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** Where the readers that need a disk have their files. */
export function newFolder(name: string): string {
  return fs.mkdtempSync(join(PLACE, `factflow-fuzz-${name}-`))
}

/** An error told in another way than by throwing: a message. */
export class Rejected extends Error {}

export type Verdict = 'accepted' | 'rejected'

export interface Judged {
  readonly verdict: Verdict
  readonly ms: number
  /** By how much the process's peak grew. */
  readonly mb: number
}

/** What an input did that none may do. */
export class Fault extends Error {}

/**
 * Read an input and judge what came of it.
 * @throws Fault
 */
export async function judge<T extends Input>(reader: Reader<T>, input: T): Promise<Judged> {
  const { ms: mostMs = LIMITS.ms, mb: mostMb = LIMITS.mb } = reader
  const trap = setTraps()
  const before = peak()
  let { verdict, ms } = await timed(reader, input, trap, () => performance.now())
  const mb = peak() - before
  if (mb > mostMb) throw new Fault(`took ${mb.toFixed(0)} MB, more than ${mostMb}`)
  // The machine may have been busy with something else, and the collector with what others left.
  for (let again = 0; ms > mostMs && again < 3; again++) {
    const next = await timed(reader, input, trap, cpu)
    ms = Math.min(ms, next.ms)
  }
  if (ms > mostMs) throw new Fault(`took ${ms.toFixed(0)} ms, more than ${mostMs}`)
  return { verdict, ms, mb }
}

async function timed<T extends Input>(
  reader: Reader<T>,
  input: T,
  trap: Trap,
  clock: () => number,
): Promise<{ verdict: Verdict; ms: number }> {
  const begin = clock()
  let verdict: Verdict = 'accepted'
  trap.set(reader)
  try {
    await reader.read(input)
  } catch (error) {
    if (!(error instanceof InputError || error instanceof Rejected)) {
      throw new Fault(`threw ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
    }
    checkMessage(error.message)
    verdict = 'rejected'
  } finally {
    trap.release()
  }
  const ms = clock() - begin
  // What nobody waited for fails one turn later.
  await new Promise((done) => setImmediate(done))
  trap.check()
  return { verdict, ms }
}

/** `where: rule, got value; what to do`, on one line that no terminal is driven by. */
export function checkMessage(message: string): void {
  const wrong =
    message.length > MOST_CHARACTERS
      ? `of ${message.length} characters`
      : // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(message)
        ? 'with line ends or control characters'
        : /^.+?: .+; .+$/s.test(message)
          ? undefined
          : 'of another form than `where: rule, got value; what to do`'
  if (wrong !== undefined)
    throw new Fault(`gave a message ${wrong}: ${JSON.stringify(message.slice(0, 500))}`)
}

/** Milliseconds that the process has computed: what others do on the machine does not count. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** The largest resident size of the process so far, in MB. */
function peak(): number {
  return process.resourceUsage().maxRSS / 1024
}

interface Trap {
  /** From now on nothing but files of `folder` and of the program itself may be touched. */
  set(reader: Pick<Reader, 'folder' | 'temporary'>): void
  release(): void
  /** @throws Fault when something else was */
  check(): void
}

const ROOT = resolve(fileURLToPath(import.meta.url), '..', '..', '..')
/** The program's own files: modules that are loaded when they are needed. */
const OWN = [ROOT, fs.realpathSync(join(ROOT, 'node_modules'))]

const PROTOTYPES = [
  Object,
  Array,
  Function,
  String,
  Number,
  Map,
  Set,
  Promise,
  Uint8Array,
  RegExp,
  Error,
].map(({ prototype }) => ({ prototype: prototype as object, keys: Reflect.ownKeys(prototype).length }))

/** Names of functions that take a path, or two. */
const PATHS = [
  ...[
    'access',
    'appendFile',
    'chmod',
    'copyFile',
    'cp',
    'link',
    'lstat',
    'mkdir',
    'mkdtemp',
    'open',
    'opendir',
  ],
  ...['readdir', 'readFile', 'readlink', 'realpath', 'rename', 'rm', 'rmdir', 'stat', 'truncate'],
  ...['unlink', 'utimes', 'writeFile', 'watch'],
]
const MORE_PATHS = ['createReadStream', 'createWriteStream', 'exists', 'existsSync', 'statfs']

let traps: Trap | undefined

/** Put guards before Node's functions that reach out of the process; once, as they cannot be taken away again. */
function setTraps(): Trap {
  if (traps) return traps
  let armed = false
  let allowed: readonly string[] = OWN
  let passed: RegExp | undefined
  const caught: string[] = []
  const unhandled = (error: unknown): void => {
    caught.push(`left a promise rejected: ${error instanceof Error ? error.stack : String(error)}`)
  }
  process.on('unhandledRejection', unhandled)
  const look = (name: string, path: unknown): void => {
    if (!armed) return
    const text =
      path instanceof URL
        ? fileURLToPath(path)
        : path instanceof Uint8Array
          ? Buffer.from(path).toString()
          : path
    // A file handle or descriptor was opened before.
    if (typeof text !== 'string' || text.includes('\0')) return
    const full = resolve(text)
    if (passed?.test(full) || allowed.some((folder) => full === folder || full.startsWith(`${folder}/`)))
      return
    caught.push(`touched ${JSON.stringify(full)} by ${name}`)
  }
  const guard = (object: object, name: string, before: (...args: unknown[]) => void): void => {
    const functions = object as Record<string, (...args: unknown[]) => unknown>
    const original = functions[name]
    if (typeof original !== 'function') return
    const guarded = function (this: unknown, ...args: unknown[]): unknown {
      before(...args)
      return new.target ? Reflect.construct(original, args) : original.apply(this, args)
    }
    functions[name] = Object.assign(guarded, original)
  }
  for (const name of [...PATHS, ...PATHS.map((one) => `${one}Sync`), ...MORE_PATHS]) {
    guard(fs, name, (path) => look(name, path))
  }
  for (const name of [...PATHS, 'statfs']) guard(fs.promises, name, (path) => look(name, path))
  // What a link points to is no file that is touched.
  guard(fs, 'symlinkSync', (_, path) => look('symlinkSync', path))
  guard(fs.promises, 'symlink', (_, path) => look('symlink', path))
  for (const name of ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync']) {
    guard(childProcess, name, (command) => {
      if (armed) caught.push(`started ${String(command)} by ${name}`)
    })
  }
  for (const [object, names] of [
    [net, ['connect', 'createConnection']],
    [http, ['request', 'get']],
    [https, ['request', 'get']],
  ] as const) {
    for (const name of names) {
      guard(object, name, () => {
        if (armed) caught.push(`opened a connection by ${name}`)
      })
    }
  }
  syncBuiltinESMExports()
  traps = {
    set({ folder, temporary }) {
      passed = temporary
      allowed = folder === undefined ? OWN : [...OWN, folder]
      armed = true
    },
    release() {
      armed = false
    },
    check() {
      const changed = PROTOTYPES.find(({ prototype, keys }) => Reflect.ownKeys(prototype).length !== keys)
      if (changed) throw new Fault(`changed the prototype ${String(changed.prototype)}`)
      const [first] = caught.splice(0)
      if (first !== undefined) throw new Fault(first)
    },
  }
  return traps
}

/** An input as JSON. */
export function encoded(input: Input): unknown {
  if (input instanceof Uint8Array) return { $base64: Buffer.from(input).toString('base64') }
  if (Array.isArray(input)) return input.map(encoded)
  if (typeof input === 'object' && input !== null) {
    return Object.fromEntries(Object.entries(input).map(([name, value]) => [name, encoded(value)]))
  }
  return input
}

export function decoded(json: unknown): Input {
  if (Array.isArray(json)) return json.map(decoded)
  if (typeof json === 'object' && json !== null) {
    if ('$base64' in json) return new Uint8Array(Buffer.from(String(json.$base64), 'base64'))
    return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, decoded(value)]))
  }
  return json as Input
}
