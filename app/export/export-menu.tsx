/** Saving what is shown: as a figure, as its Vega-Lite specification, as the command that reproduces it. */

import { useRef, useState } from 'preact/hooks'
import type { VegaLiteSpec } from '../../src/figures/style.js'
import type { Exploration } from '../../src/ui/protocol.js'
import { CopyButton } from '../components/basics.js'
import { Dialog } from '../components/dialog.js'
import type { Question } from '../state/question.js'
import { theme } from '../state/theme.js'
import { traceCommand } from './commands.js'
import { drawPng, drawSvg, save } from './figure.js'

export interface ShownFigure {
  readonly spec: VegaLiteSpec
  /** Of the file, without its ending. */
  readonly name: string
  /** What makes it on a command line. */
  readonly command: string
}

/** @param figure made when something is saved; what it throws is shown */
export function FigureMenu({ figure }: { figure: () => Promise<ShownFigure> }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [shown, setShown] = useState<ShownFigure>()
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  const open = (): void => {
    setProblem(undefined)
    setShown(undefined)
    dialog.current?.showModal()
    figure().then(setShown, (error: unknown) =>
      setProblem(error instanceof Error ? error.message : String(error)),
    )
  }
  const saved = async (work: (figure: ShownFigure) => Promise<void>): Promise<void> => {
    if (!shown) return
    setBusy(true)
    setProblem(undefined)
    try {
      await work(shown)
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <button type="button" class="button" aria-haspopup="dialog" onClick={open}>
        Export
      </button>
      <Dialog label="Export" dialog={dialog} class="export" head={<h2>Export</h2>}>
        <div class="export-body">
          <p>The figure, as the command line draws it:</p>
          <div class="export-buttons" aria-busy={busy}>
            <button
              type="button"
              class="button"
              disabled={busy || !shown}
              onClick={() =>
                saved(async ({ spec, name }) => save(`${name}.svg`, await drawSvg(spec), 'image/svg+xml'))
              }
            >
              SVG
            </button>
            <button
              type="button"
              class="button"
              disabled={busy || !shown}
              onClick={() =>
                saved(async ({ spec, name }) => save(`${name}.png`, await drawPng(await drawSvg(spec))))
              }
            >
              PNG
            </button>
            <button
              type="button"
              class="button"
              disabled={busy || !shown}
              onClick={() =>
                saved(async ({ spec, name }) =>
                  save(`${name}.vl.json`, JSON.stringify(spec, null, 2), 'application/json'),
                )
              }
            >
              Vega-Lite
            </button>
          </div>
          <p>The command that reproduces it:</p>
          <pre class="command">{shown?.command ?? ' '}</pre>
          <div class="export-buttons">
            <CopyButton text={shown?.command ?? ''}>Copy the command</CopyButton>
            <CopyButton text={location.href}>Copy the address of this view</CopyButton>
          </div>
          <p role="alert" class="export-problem">
            {problem ?? ' '}
          </p>
        </div>
      </Dialog>
    </>
  )
}

/** The export of Explore: heatmap and curves in one figure. */
export function ExportMenu({ result, question }: { result: Exploration; question: Question }) {
  return <FigureMenu figure={() => explorationFigure(result, question)} />
}

async function explorationFigure(result: Exploration, question: Question): Promise<ShownFigure> {
  const [{ heatmapSpec }, { curvesSpec }, { stack }] = await Promise.all([
    import('../../src/figures/heatmap.js'),
    import('../../src/figures/curves.js'),
    import('../../src/figures/stack.js'),
  ])
  const { model, window, tokens, subject, heatmap, curves, answer, target, features } = result
  const look = { size: 'screen' as const, theme: theme.peek() }
  const title = `"${question.prompt}" → "${answer.text.trim()}"`
  const cut = `each token cut from ${target === 'last' || target === 'first' ? `the ${target}` : `${target} tokens`}${features === 'all' ? '' : `, ${features} features`}`
  const subtitle = `${model.name}, p = ${result.base.prob.toPrecision(3)}, rank ${result.base.rank}`
  const map = heatmapSpec(
    {
      title,
      subtitle: `${subtitle}; ${cut}`,
      tokens: tokens.map(({ text }) => text),
      subject,
      nLayers: model.nLayers,
      window,
      values: heatmap.map((row) => row.map(({ change }) => change)),
    },
    look,
  )
  const spec =
    curves.length === 0
      ? map
      : stack(
          map,
          curvesSpec(
            {
              title: 'What each role contributes',
              nLayers: model.nLayers,
              window,
              yLabel: 'change of p(answer), %',
              curves: curves.map(({ label, points }) => ({
                label,
                points: points.map(({ change }, firstLayer) => ({
                  firstLayer,
                  mean: change,
                  low: change,
                  high: change,
                  n: 1,
                })),
              })),
            },
            look,
          ),
        )
  return {
    spec,
    name: `factflow-${model.name.replaceAll(/[^\w.-]+/g, '-')}`,
    command: traceCommand(question, result),
  }
}
