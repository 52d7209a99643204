/** What the comparison is asked to do. */
import os from 'node:os'
import process from 'node:process'
import { Command } from 'commander'
import { choice, memorySize, wholeNumber } from '../../src/cli/options.js'
import { usageError } from '../../src/cli/usage.js'
import { InputError, show } from '../../src/errors.js'
import { SIZES } from '../random-model.js'

/** Where factflow computes, and where the authors' code does then. */
export const PEER_DEVICES = { cpu: 'cpu' } as const

export interface CompareOptions {
  /** A checkout of the authors' code; `measured` is given instead when it has run already. */
  readonly peer?: string
  /** What peer.py wrote when it ran alone. */
  readonly measured?: string
  readonly size: string
  readonly seed: number
  readonly python: string
  readonly device: keyof typeof PEER_DEVICES
  readonly threads: number
  /** Knockouts of the sample that the authors' code is timed with. */
  readonly knockouts: number
  /** Prompts of the sweep that factflow is timed with, beside one alone. */
  readonly prompts: number
  /** Times that each measures; the fastest counts. */
  readonly rounds: number
  /** Bytes that factflow may take; default half of the free memory. */
  readonly memory?: number
  readonly json?: string
}

/** Families that the authors' code knows and that peer.py opens. */
const FAMILIES: readonly unknown[] = ['mamba', 'mamba2', 'falcon_mamba']

const PEER_SIZES = Object.keys(SIZES).filter((name) => FAMILIES.includes(SIZES[name]!.config.model_type))

/**
 * @param args without the program's own name
 * @throws InputError when an option is wrong, or it is not said where the authors' code or its result is
 */
export function compareOptions(args: readonly string[], env = process.env): CompareOptions {
  const number = (flags: string, description: string, least: number, fallback: number) =>
    [flags, description, wholeNumber(/--\w+/.exec(flags)![0], least), fallback] as const
  const command = new Command('bench:peer')
    .description("The paper authors' code and factflow on the same random weights, one after the other.")
    .option('--peer <path>', "a checkout of nirendy/mamba-knockout (default: FACTFLOW_PEER's)")
    .option('--measured <file>', 'instead of --peer: what peer.py wrote when it ran alone')
    .addOption(choice('--size <name>', 'size of the model', PEER_SIZES).default('mamba-130m'))
    .option(...number('--seed <n>', 'seed of the weights', 0, 0))
    .option('--python <path>', "Python with what peer.py needs (default: FACTFLOW_PYTHON's, or python3)")
    .addOption(choice('--device <name>', 'where both compute', Object.keys(PEER_DEVICES)).default('cpu'))
    .option(...number('--threads <n>', 'threads of both', 1, os.availableParallelism()))
    .option(...number('--knockouts <n>', "in the sample of the authors' code", 1, 16))
    .option(...number('--prompts <n>', 'in the sweep of factflow, beside one alone', 1, 8))
    .option(...number('--rounds <n>', 'of either; the fastest counts', 1, 3))
    .option('--memory <size>', 'of factflow, such as 12GB (default: half of what is free)', memorySize)
    .option('--json <file>', 'write all numbers to this file')
    .configureOutput({ outputError: () => {} })
    .allowExcessArguments(false)
    .exitOverride((error) => {
      throw error.exitCode === 0 ? error : usageError(error, command)
    })
  command.parse(args, { from: 'user' })
  const given = command.opts<Partial<CompareOptions>>()
  const { peer = given.measured === undefined ? env.FACTFLOW_PEER : undefined, measured } = given
  if ((peer === undefined) === (measured === undefined)) {
    throw new InputError(
      `--peer: either it or --measured must be given, got ${peer === undefined ? 'neither' : 'both'}; name a checkout of nirendy/mamba-knockout (bench/peer/README.md)`,
    )
  }
  const named = ['size', 'seed', 'knockouts'].find(
    (option) => measured !== undefined && command.getOptionValueSource(option) === 'cli',
  )
  if (named !== undefined) {
    throw new InputError(
      `--${named}: must not be given with --measured, got ${show(given[named as keyof CompareOptions])}; the file says it`,
    )
  }
  return {
    ...(given as CompareOptions),
    peer,
    python: given.python ?? env.FACTFLOW_PYTHON ?? 'python3',
  }
}
