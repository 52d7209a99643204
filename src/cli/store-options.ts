/** --out, --shard, --wait: to store what an experiment gives in a run folder, alone or as one of several workers. */
import { type Command, Option } from 'commander'
import { InputError, show } from '../errors.js'
import { parseShard, type Shard, shardName } from '../studies/shard.js'
import { wholeNumber } from './options.js'

export interface ShareOptions {
  readonly shard?: Shard
  /** Minutes. */
  readonly wait: number
}

export interface StoreOptions extends ShareOptions {
  /** Run folder. */
  readonly out?: string
}

/** --shard, --wait */
export function withShareOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--shard <i/n>',
        'compute the i-th of n shares alone; by itself in arrays of Slurm and Indexed Jobs of Kubernetes',
      ).argParser((text: string) => parseShard(text)),
    )
    .addOption(
      new Option('--wait <minutes>', 'minutes to wait for what other shares compute, where it is needed')
        .argParser(wholeNumber('--wait', 0, 100_000))
        .default(0),
    )
}

/** --out, --shard, --wait; with --out the options named in `without` mean nothing. */
export function withStoreOptions(command: Command, without: readonly string[]): Command {
  command.option(
    '-o, --out <run>',
    'store the results in this run folder, in place of showing them: for factflow results, figure, status',
  )
  return withShareOptions(command).hook('preAction', (_, action) => {
    const options = action.opts<StoreOptions & Readonly<Record<string, unknown>>>()
    if (options.out === undefined) {
      if (options.wait > 0) {
        throw new InputError(
          `--wait: must be given with --out and --shard, as there is nobody to wait for, got ${options.wait} alone; leave it out`,
        )
      }
      if (options.shard === undefined) return
      throw new InputError(
        `--shard: must be given with --out, as the shares come together in a run folder, got ${show(shardName(options.shard))} alone; name one`,
      )
    }
    const stray = without.find((name) => options[name] !== undefined)
    if (stray === undefined) return
    throw new InputError(
      `--${stray}: must not be given with --out, which shows nothing, got both; draw what is stored with factflow figure`,
    )
  })
}
