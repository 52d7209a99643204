/** Draws the figures of docs/figures.md from the demo study: npm run figures. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { toSvg } from '../../src/figures/render.js'
import { Results } from '../../src/results/results.js'
import { drawFigures, resolved } from '../../src/studies/figures.js'
import { FIGURE_PRESETS } from '../../src/studies/names.js'
import { presetStudy } from '../../src/studies/presets.js'
import { runStudy } from '../../src/studies/run.js'
import { figureSchema } from '../../src/studies/study.js'

/** Figures of one's own, as the page shows them. */
const OWN = [
  {
    name: 'accuracy',
    size: 'column',
    lines: 'source',
    value: 'accuracy',
    title: 'Prompts that are right',
    where: { model: ['tiny-mamba2'], window: ['default'], features: ['all'], promptSet: ['correct'] },
  },
  {
    name: 'paired',
    size: 'column',
    lines: 'features',
    columns: 'model',
    minus: 'context-independent',
    title: 'Paired differences',
    where: {
      model: ['tiny-mamba1', 'tiny-mamba2'],
      source: ['subject'],
      window: ['default'],
      promptSet: ['correct'],
    },
  },
  {
    name: 'grid',
    size: 'page',
    rows: 'source',
    columns: 'window',
    lines: 'model',
    depth: 'layers',
    title: 'Rows, columns and lines of one’s own',
    where: {
      source: ['subject', 'relation'],
      window: [1, 3, 5, 9],
      features: ['all'],
      promptSet: ['all-correct'],
    },
  },
]

const page = await readFile(join(import.meta.dirname, '..', 'figures.md'), 'utf8')
const run = await mkdtemp(join(tmpdir(), 'factflow-figures-'))
try {
  const study = presetStudy('demo')
  await runStudy(study, {
    out: join(run, 'demo'),
    progress: (label, task) => {
      process.stderr.write(`${label}\n`)
      return task(() => {})
    },
  })
  const results = await Results.open([join(run, 'demo')])
  const own = OWN.map((figure) => figureSchema.parse({ kind: 'curves', ...figure }))
  for (const figure of [...FIGURE_PRESETS, ...own]) {
    for (const drawn of await drawFigures(await resolved(figure, results), results, study.size)) {
      const { name, size } = drawn
      for (const [theme, file] of [
        ['light', `${name}.svg`],
        ['dark', `${name}.dark.svg`],
      ] as const) {
        if (!page.includes(`(figures/${file})`)) continue
        await writeFile(join(import.meta.dirname, file), await toSvg(drawn.spec({ size, theme })))
      }
    }
  }
  results.close()
} finally {
  await rm(run, { recursive: true, force: true })
}
