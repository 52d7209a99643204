/** Writes docs/findings.md and its figures: npm run findings. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { plural } from '../../src/cli/terminal.js'
import { toSvg } from '../../src/figures/render.js'
import type { VegaLiteSpec } from '../../src/figures/style.js'
import { heatmapGrid, type Line, type Panel, panels } from './figures.js'
import { curveOf, type Findings, findings, mainWindow, type StoredCurve, WINDOWS } from './measure.js'
import { page } from './page.js'

const SOURCES = ['subject', 'relation', 'relation-minus-last', 'first', 'last']

/** A panel of a model from the curves that it has. */
function panel(model: Findings, lines: readonly { label: string; curve: StoredCurve | undefined }[]): Panel {
  return {
    title: model.model,
    nLayers: model.nLayers,
    lines: lines.filter((line): line is Line => line.curve !== undefined),
  }
}

function figures(results: readonly Findings[]): Record<string, VegaLiteSpec> {
  const mambas = results.filter(({ thirdsApart }) => thirdsApart !== undefined)
  const main = ({ nLayers }: Findings) => mainWindow(nLayers)
  const byWindow = (source: string) =>
    results.map((model) =>
      panel(
        model,
        WINDOWS.map((window) => ({
          label: plural(window, 'layer'),
          curve: curveOf(model, source, window),
        })),
      ),
    )
  return {
    sources: panels('Tokens cut from the last token', [
      {
        label: '',
        panels: results.map((model) =>
          panel(
            model,
            SOURCES.map((source) => ({
              label: `${source} → last`,
              curve: curveOf(model, source, main(model)),
            })),
          ),
        ),
      },
    ]),
    features: panels('The subject cut from the last token, by features', [
      {
        label: '',
        panels: mambas.map((model) =>
          panel(
            model,
            ['all', 'context-dependent', 'context-independent'].map((features) => ({
              label: features,
              curve: curveOf(model, 'subject', main(model), features),
            })),
          ),
        ),
      },
    ]),
    windows: panels(
      'Windows of several sizes',
      ['subject', 'relation-minus-last'].map((source) => ({
        label: `${source} → last`,
        panels: byWindow(source),
      })),
      true,
    ),
    heatmaps: heatmapGrid(
      'Each token cut from the last token',
      results.map(({ model }) => model),
      results[0]!.heatmaps.map((_, i) => results.map(({ heatmaps }) => heatmaps[i]!)),
    ),
  }
}

const docs = join(import.meta.dirname, '..')
const say = (line: string) => process.stderr.write(`${line}\n`)
const results = await findings(say)
for (const [name, spec] of Object.entries(figures(results))) {
  writeFileSync(join(docs, 'findings', `${name}.svg`), await toSvg(spec))
}
writeFileSync(join(docs, 'findings.md'), page(results))
say('wrote docs/findings.md and its figures')
