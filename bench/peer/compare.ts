/**
 * The paper authors' code and factflow on the same random weights, one after the other, in processes of their own:
 * time, memory, and whether they agree. See README.md.
 *
 *   npm run bench:peer -- --peer PATH [--size mamba-130m]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { CommanderError } from 'commander'
import { note, print } from '../../src/cli/terminal.js'
import { InputError, show } from '../../src/errors.js'
import { checkWritable, writeWhole } from '../../src/results/whole-file.js'
import { namedSize, writeRandomModel } from '../random-model.js'
import { recordOf } from '../record.js'
import type { FactflowOptions } from './factflow.js'
import { type CompareOptions, compareOptions, PEER_DEVICES } from './options.js'
import { peerRecord } from './record.js'
import { agreement, report } from './report.js'
import { type FactflowResult, type PeerResult, readPeerResult } from './results.js'

const HERE = dirname(fileURLToPath(import.meta.url))

/** What a program prints. @throws InputError when it fails; it has said why */
async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close').catch((error: Error) => [error.message])
  const [output, [code]] = await Promise.all([text(child.stdout!), ended])
  if (code === 0) return output
  throw new InputError(`${program}: must run to its end, got ${show(code)}; mend what it says`)
}

/** Run the authors' code on the checkpoint in `dir`. */
async function runPeer(dir: string, options: CompareOptions): Promise<PeerResult> {
  const { size, seed, device, threads, knockouts, rounds } = options
  const file = join(dir, 'peer.json')
  const settings = { size, seed, device: PEER_DEVICES[device], threads, knockouts, rounds }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  await outputOf(options.python, [
    join(HERE, 'peer.py'),
    ...['--peer', options.peer!, '--checkpoint', dir, '--json', file, ...args],
  ])
  return readPeerResult(file)
}

async function runFactflow(dir: string, options: FactflowOptions): Promise<FactflowResult> {
  const { device, threads, memory, prompts, rounds, knockouts } = options
  const settings: FactflowOptions = { device, threads, memory, prompts, rounds, knockouts }
  const args = ['--import', 'tsx', join(HERE, 'factflow.ts'), dir, JSON.stringify(settings)]
  return JSON.parse(await outputOf(process.execPath, args)) as FactflowResult
}

async function compare(options: CompareOptions): Promise<boolean> {
  if (options.json !== undefined) await checkWritable(options.json)
  const measured = options.measured === undefined ? undefined : await readPeerResult(options.measured)
  const { size = options.size, seed = options.seed } = measured ?? {}
  const knockouts = measured?.probs.length ?? options.knockouts
  const dir = await mkdtemp(join(tmpdir(), 'factflow-peer-'))
  try {
    note(`writing random weights of the size of ${size}`)
    await writeRandomModel(dir, namedSize(size), seed)
    const theirs = measured ?? (await runPeer(dir, options))
    note('running factflow')
    const ours = await runFactflow(dir, { ...options, knockouts })
    if (!isDeepStrictEqual(theirs.work, ours.work)) {
      throw new Error('bench/work.ts and bench/peer/work.py must say the same')
    }
    print(report(theirs, ours).join('\n'))
    // A record, and beside it all that was measured.
    const record = recordOf('peer', peerRecord(theirs, ours))
    const result = { ...record, authors: theirs, factflow: ours, agreement: agreement(theirs, ours) }
    if (options.json !== undefined) await writeWhole(options.json, `${JSON.stringify(result, null, 1)}\n`)
    return result.agreement.agrees
  } finally {
    await rm(dir, { recursive: true })
  }
}

try {
  if (!(await compare(compareOptions(process.argv.slice(2))))) process.exitCode = 1
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode
  else if (error instanceof InputError) {
    note(`error: ${error.message}`)
    process.exitCode = 2
  } else throw error
}
