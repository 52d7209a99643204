/** `factflow kubernetes`: a study on a cluster, as an Indexed Job. */
import { type Command, Option } from 'commander'
import { DEVICES, DTYPES } from '../runtime/open-runtime.js'
import { STUDY_PRESETS } from '../studies/names.js'
import type { KubernetesCommandOptions } from './kubernetes-action.js'
import { choice, wholeNumber } from './options.js'

export function kubernetesCommand(program: Command): void {
  const number = (flags: string, description: string, least: number): Option =>
    new Option(flags, description).argParser(wholeNumber(/--[\w-]+/.exec(flags)![0], least))
  const several = (flags: string, description: string): Option =>
    new Option(flags, description).argParser((value: string, before: string[] = []) => [...before, value])
  program
    .command('kubernetes')
    .description(
      'a study on Kubernetes: prints an Indexed Job whose workers share the work, and a Job for the report (docs/cluster.md)',
    )
    .argument('[study]', `a study file (docs/studies.md), or a preset: ${STUDY_PRESETS.join(', ')}`)
    .option('--config <file>', 'settings as JSON; flags win over them')
    .option('--image <image>', 'image with factflow in it (Dockerfile)')
    .option('--claim <name>', 'PersistentVolumeClaim for the run folder, at /runs')
    .addOption(number('--shards <n>', 'shares of the work (default: 8)', 1))
    .addOption(number('--parallelism <n>', 'workers at a time (default: one a share)', 1))
    .addOption(number('--gpus <n>', 'GPUs of a worker, 0 or 1 (default: 0)', 0))
    .option('--cpu <quantity>', 'processors of a worker (default: 4)')
    .option('--memory-limit <quantity>', 'memory of a worker (default: 8Gi)')
    .option(
      '--memory <size>',
      'memory for weights and rows, such as 4GB (default: half of the limit, or of what is free on the GPU)',
    )
    .addOption(choice('--device <name>', 'what computes (default: cuda with a GPU, else cpu)', DEVICES))
    .addOption(choice('--dtype <type>', 'of weights and matrix products; float16 on GPUs alone', DTYPES))
    .option('--tf32', 'matrix products on CUDA in TF32: faster, to 10 bits')
    .option('--offline', 'workers make no request: models and data are in their cache')
    .option('-o, --out <folder>', 'run folder in the claim (default: NAME of the study)')
    .option('--cache-claim <name>', 'claim for models of the Hub (default: in --claim, folder huggingface)')
    .addOption(
      several('--mount <claim:path>', 'claim with models or data of your own, read only; again for more'),
    )
    .option('--secret <name>', 'Secret whose key HF_TOKEN is the token for gated models')
    .option('--name <name>', 'name of the Job (default: that of the study)')
    .option('-n, --namespace <name>', 'namespace (default: that of the context)')
    .addOption(several('--node-selector <key=value>', 'label of the nodes to use; again for more'))
    .addOption(several('--toleration <key[=value][:effect]>', 'taint that workers bear; again for more'))
    .addOption(number('--user <id>', 'id of user and group of the processes (default: 1000)', 1))
    .addOption(number('--wait <minutes>', 'that a sweep waits for others’ evaluations (default: 60)', 0))
    .addOption(number('--retries <n>', 'how often a share is tried again (default: 6)', 0))
    .option('--apply', 'make or change the objects, through kubectl')
    .option('--resubmit', 'delete the Jobs, and make them anew: what is missing is computed')
    .option('--delete', 'delete the objects; results stay in the claim')
    .addOption(
      new Option('--follow [seconds]', 'say how far the Jobs are, so often (10), until they end')
        .argParser(wholeNumber('--follow', 1))
        .preset('10'),
    )
    .addOption(new Option('--context <name>', 'kubectl’s context (default: the current one)'))
    .addOption(new Option('--json', 'print the objects as a List in JSON, not as YAML'))
    .option('--schema', 'print the JSON Schema of settings files, and stop')
    .addHelpText(
      'after',
      `
Needs Kubernetes 1.29. Prints the objects unless told to do something with them.

Examples:
  factflow kubernetes demo --image registry/factflow --claim runs --shards 4
  factflow kubernetes paper --config cluster.json --apply --follow
  factflow kubernetes paper --config cluster.json | kubectl diff -f -`,
    )
    .action(async (name: string | undefined, options: KubernetesCommandOptions) => {
      const { kubernetesAction } = await import('./kubernetes-action.js')
      await kubernetesAction(name, options)
    })
}
