/** Results that commands print with `--json`, dropped on the page, and what the page then asks of them. */
import fc from 'fast-check'
import { PageStudies } from '../../../src/ui/page-studies.js'
import { type Reader, Rejected } from '../harness.js'
import { asBytes, damagedJson } from '../mutate.js'

const POINT = { firstLayer: 0, mean: -10, low: -20, high: null, accuracy: 50, n: 2 }
const CURVE = {
  source: 'subject',
  target: 'last',
  features: 'all',
  points: [POINT, { ...POINT, firstLayer: 1 }],
}
const FLOW = {
  model: 'm',
  data: 'd',
  nLayers: 4,
  window: 2,
  curves: [CURVE, { ...CURVE, source: 'first', window: 3 }],
}
const TRACE = {
  ...{ model: 'm', prompt: 'Paris is in', subject: 'Paris', answer: { id: 1, text: ' France' }, nLayers: 3 },
  ...{ base: { prob: 0.5, top: { id: 1 } }, window: 2, heatmap: [] },
  curves: [
    { source: 'subject', target: 'last', features: 'all', prob: [0.1, 0.2], relativeChange: [-80, null] },
  ],
}

const anyCurves = (study: string) => ({ study, known: 'any' as const })

/** Ask the page of all studies that it has. */
export async function askAll(page: PageStudies): Promise<void> {
  for (const { study } of await page.studies()) {
    if (study.length === 0 || study.length > 300) continue
    const { cuts, promptSets, byPrompt } = await page.study({ study })
    for (const curve of await page.curves(anyCurves(study))) {
      if (curve.points.some(({ n }) => !(n >= 1))) throw new Error('a point without a prompt')
    }
    const [cut] = cuts
    const [promptSet] = promptSets
    if (!cut || !byPrompt || cut.model.length > 300 || cut.dataset.length > 300 || !cut.model || !cut.dataset)
      continue
    if (promptSet && promptSet.length <= 300) await page.curves({ study, known: 'known', promptSet })
    await page.effects({ ...cut, study, known: 'any', firstLayer: 0, outliers: 3 })
  }
}

/** Add files to a page and ask it; what it says of files that cannot be used is an error of one line. */
export async function drop(
  files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): Promise<void> {
  const page = new PageStudies()
  const errors = await page.add(
    files.map(({ path, bytes }) => ({ path, file: new Blob([new Uint8Array(bytes)]) })),
  )
  await askAll(page)
  const [error] = errors
  if (error !== undefined) throw new Rejected(error)
}

export const reader: Reader<Uint8Array> = {
  name: 'page-json',
  inputs: asBytes(fc.oneof(damagedJson([FLOW, TRACE]), damagedJson([[TRACE, TRACE], [FLOW]]))),
  read: (bytes) => drop([{ path: 'result.json', bytes }]),
}
