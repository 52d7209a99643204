/** `factflow download`: bring a model into the cache of the Hub, for use without a network. */
import type { Command } from 'commander'
import { downloadModel } from '../load.js'
import { onNote, withHubOptions } from './options.js'
import { withDownloads } from './progress.js'
import { print } from './terminal.js'

export function downloadCommand(program: Command): void {
  const command = program
    .command('download')
    .description('bring a model of the Hugging Face Hub into the cache, and print where it lies')
    .argument('<model>', 'id on the Hub, such as state-spaces/mamba-130m-hf')
  withHubOptions(command)
    .addHelpText(
      'after',
      `
Only what factflow reads is fetched: configuration, weights, tokenizer. The
cache is that of Python's huggingface_hub and obeys the same variables: HF_HOME,
HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE. After an interruption the
same command goes on where it was.`,
    )
    .action(async (model: string, { revision, offline }: { revision?: string; offline?: true }) => {
      const { folder } = await withDownloads((onProgress) =>
        downloadModel(model, { revision, offline, onProgress, onNote }),
      )
      print(folder)
    })
}
