/** How long stored results take: parts of a large study are written, opened, and asked. `npm run bench:results -- ROWS` */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { seededRandom } from '../src/prompts/sample.js'
import { Results } from '../src/results/results.js'
import type { KnockoutRow } from '../src/results/rows.js'
import { RunFolder } from '../src/results/run-folder.js'
import { storedCurves } from '../src/studies/curve-query.js'
import { figureSchema } from '../src/studies/study.js'

const ROWS = Number(process.argv[2] ?? 1e7)
const LAYERS = 64
const WINDOWS = [1, 9]
const SOURCES = ['subject', 'relation', 'last', 'first'] as const
const PROMPTS_PER_PART = 32

const dir = await mkdtemp(join(tmpdir(), 'factflow-bench-'))
const random = seededRandom(0)
const say = (what: string, seconds: number, rest = ''): void => {
  process.stdout.write(`${what.padEnd(46)} ${seconds.toFixed(2).padStart(8)} s  ${rest}\n`)
}
async function timed<T>(
  what: string,
  task: () => Promise<T>,
  rest: (result: T) => string = () => '',
): Promise<T> {
  const begin = performance.now()
  const result = await task()
  say(what, (performance.now() - begin) / 1000, rest(result))
  return result
}

/** The rows of some prompts. */
function part(first: number): KnockoutRow[] {
  const rows: KnockoutRow[] = []
  for (let p = first; p < first + PROMPTS_PER_PART; p++) {
    const base_prob = random()
    for (const window of WINDOWS) {
      for (const source of SOURCES) {
        for (let first_layer = 0; first_layer <= LAYERS - window; first_layer++) {
          const prob = random()
          rows.push({
            ...{
              model: 'mamba-2.8b-hf',
              dataset: 'counterfact',
              prompt_id: String(p),
              first_layer,
              window,
              source,
            },
            ...{
              position: null,
              target: 'last',
              features: 'all',
              base_prob,
              prob,
              rank: 1 + (prob < 0.5 ? 1 : 0),
            },
            ...{ top_token: p, hit: prob >= 0.5, relative_change: (100 * (prob - base_prob)) / base_prob },
          })
        }
      }
    }
  }
  return rows
}

try {
  const folder = await RunFolder.at(dir, 'bench')
  folder.file.models['mamba-2.8b-hf'] = {
    ...{ source: 'bench', modelType: 'mamba', family: 'Mamba-1', layers: LAYERS, featureCategories: ['all'] },
  }
  await folder.save()
  let written = 0
  let made = 0
  await timed(
    `write ${ROWS.toLocaleString('en')} rows in parts`,
    async () => {
      for (let p = 0; written < ROWS; p += PROMPTS_PER_PART) {
        const begin = performance.now()
        const rows = part(p)
        made += performance.now() - begin
        await folder.write('knockouts', String(p), rows)
        written += rows.length
      }
    },
    () => `of which ${(made / 1000).toFixed(1)} s made the rows up`,
  )
  folder.close()
  const files = await readdir(dir)
  const sizes = await Promise.all(files.map((file) => stat(join(dir, file))))
  const bytes = sizes.reduce((sum, { size }) => sum + size, 0)
  process.stdout.write(
    `${files.length} files, ${(bytes / 1e6).toFixed(0)} MB, ${(bytes / written).toFixed(1)} bytes a row\n`,
  )

  const results = await timed('open', () => Results.open([dir]))
  const query = { kind: 'curves', name: 'f', where: { window: [9], features: ['all'] } }
  await timed('curves of a figure (t)', () => storedCurves(results, figureSchema.parse(query) as never))
  const bootstrap = { ...query, interval: 'bootstrap' }
  await timed('the same with bootstrap', () => storedCurves(results, figureSchema.parse(bootstrap) as never))
  await timed(
    'what is done, curve by curve',
    () => results.rows('SELECT * FROM curves'),
    (r) => `${r.length} curves`,
  )
  await timed(
    'one prompt',
    () => results.rows("SELECT * FROM knockouts WHERE prompt_id = '77'"),
    (r) => `${r.length} rows`,
  )
  await timed('export as CSV', () =>
    results.run(`COPY (FROM knockouts) TO '${join(dir, 'all.csv')}' (FORMAT csv)`),
  )
  results.close()
  process.stdout.write(`peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB\n`)
} finally {
  await rm(dir, { recursive: true, force: true })
}
