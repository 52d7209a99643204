/** `factflow models`: what can be named with --model, what it needs, and what is there already. */
import type { Command } from 'commander'
import { wrap } from '../figures/text.js'
import { ARCHITECTURES } from '../models/registry.js'
import { embeddedEntries, hubEntries } from '../server/model-entries.js'
import type { ModelEntry } from '../ui/protocol.js'
import { tableLines } from './table.js'
import { print, width } from './terminal.js'

export function modelsCommand(program: Command): void {
  program
    .command('models')
    .description('list the models that come with factflow, those of the paper, and others in the cache')
    .option('--json', 'print the list as JSON')
    .action(async (options: { json?: boolean }) => {
      const entries = [...(await embeddedEntries()), ...(await hubEntries())]
      if (options.json) print(JSON.stringify(entries))
      else print(table(entries))
    })
}

/** `14.5 GB`, `7 MB` */
export function size(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}

/** `7.27 B`, `130 M`, `3.3 M` */
function count(parameters: number): string {
  const [value, unit] = parameters < 1e9 ? [parameters / 1e6, 'M'] : [parameters / 1e9, 'B']
  return `${value.toPrecision(3)} ${unit}`
}

const WHERE = { embedded: 'embedded', folder: '', paper: '', cache: 'cached' }

function table(entries: readonly ModelEntry[]): string {
  const rows = [
    ['MODEL', 'FAMILY', 'PARAMS', 'LAYERS', 'WIDTH', 'DISK', 'MEMORY', 'LEAST', 'HERE'],
    ...entries.map((e) => [
      e.name,
      e.family,
      count(e.parameters),
      `${e.layers}`,
      `${e.width}`,
      size(e.disk),
      size(e.memory),
      size(e.least),
      e.cached && e.source === 'paper' ? 'cached' : e.gated && !e.cached ? 'gated' : WHERE[e.source],
    ]),
  ]
  const lines = tableLines(rows, new Set([0, 1, 8]))
  const types = ARCHITECTURES.map(({ modelType }) => modelType).join(', ')
  const more = [
    'MEMORY: weights in float32, all of them loaded. LEAST: what --memory must be at least, room for a short prompt included; layers are then loaded in turn. gated: accept the licence on the Hub and set HF_TOKEN.',
    `Any other model of type ${types} works, too: --model with an id of the Hub or a folder.`,
  ]
  return [...lines, '', ...more.flatMap((text) => wrap(text, width()))].join('\n')
}
