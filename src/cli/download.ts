/** `factflow download`: bring a model into the cache of the Hub, for use without a network. */
import type { Command } from 'commander'
import { isHubId } from '../checkpoints/hub-id.js'
import { removeDamaged } from '../checkpoints/hub-verify.js'
import { downloadModel } from '../load.js'
import { onNote, withHubOptions } from './options.js'
import { withDownloads } from './progress.js'
import { print } from './terminal.js'

interface DownloadOptions {
  readonly revision?: string
  readonly offline?: true
  readonly verify?: true
}

export function downloadCommand(program: Command): void {
  const command = program
    .command('download')
    .description('bring a model of the Hugging Face Hub into the cache, and print where it lies')
    .argument('<model>', 'id on the Hub, such as state-spaces/mamba-130m-hf')
  withHubOptions(command)
    .option('--verify', 'compare the files that are there with their hashes, and bring damaged ones anew')
    .addHelpText(
      'after',
      `
Only what factflow reads is fetched: configuration, weights, tokenizer. The
cache is that of Python's huggingface_hub and obeys the same variables: HF_HOME,
HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE. After an interruption the
same command goes on where it was.`,
    )
    .action(async (model: string, { verify, ...hub }: DownloadOptions) => {
      if (verify && isHubId(model)) await removeDamaged(model, { ...hub, onNote })
      const { folder } = await withDownloads((onProgress) =>
        downloadModel(model, { ...hub, onProgress, onNote }),
      )
      print(folder)
    })
}
