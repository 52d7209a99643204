/** Compare: two questions, to two models or in two wordings, over the same depth. */
import { useMemo, useState } from 'preact/hooks'
import { ROLES } from '../../src/prompts/roles.js'
import type { Exploration, ModelInfo } from '../../src/ui/protocol.js'
import { Segments, Select } from '../components/basics.js'
import { lineStyle } from '../components/colors.js'
import { duration, signed } from '../components/format.js'
import { QuestionEditor } from '../components/question-editor.js'
import { address, addressOf, go } from '../state/address.js'
import {
  type Comparison,
  CURVE_ROLES,
  type CurveRole,
  comparisonOf,
  comparisonParams,
  layersOf,
  otherModel,
  SIDES,
  type Side,
} from '../state/comparison.js'
import { type Depths, depthOf, startAt } from '../state/depth.js'
import { anotherFact, relations } from '../state/facts.js'
import { type Cell, paramsOf, type Question } from '../state/question.js'
import { theme } from '../state/theme.js'
import { FEATURE_WORDS } from '../words.js'
import { changeAt, type DepthCurve, DepthCurves } from './compare/depth-curves.js'
import { SidePanel, type SideState, SideStatus, useSide } from './compare/side.js'
import { differenceWords, type SideCurve } from './compare/words.js'

/** What the pointer is at: a cell of one side, or a depth. */
type Pointed = { readonly side: Side; readonly cell: Cell } | { readonly depth: number }

const NAMES: Readonly<Record<Side, string>> = { a: 'A', b: 'B' }
const OTHER: Readonly<Record<Side, Side>> = { a: 'b', b: 'a' }

function depthsOf({ model, window }: Exploration): Depths {
  return { nLayers: model.nLayers, window }
}

/** Whether cells of one side have a counterpart on the other. */
function sameTokens(a: Exploration | undefined, b: Exploration | undefined): boolean {
  return (
    a !== undefined &&
    b !== undefined &&
    a.tokens.length === b.tokens.length &&
    a.tokens.every(({ text }, i) => text === b.tokens[i]!.text)
  )
}

export function Compare() {
  const { params } = address.value
  const comparison = useMemo(() => comparisonOf(params), [params.toString()])
  const a = useSide(comparison, comparison.a)
  const b = useSide(comparison, comparison.b)
  const sides = { a, b }
  const [pointed, setPointed] = useState<Pointed>()
  const set = (changes: Partial<Comparison>, step = false): void =>
    go('compare', comparisonParams({ ...comparison, ...changes }), { step })
  const ask = (side: Side, changes: Partial<Question>): void =>
    set(
      { [side]: { ...comparison[side], ...changes } },
      'model' in changes || 'prompt' in changes || 'subject' in changes,
    )
  const results = { a: a.explored.result, b: b.explored.result }
  const linked = sameTokens(results.a, results.b)
  const depth =
    pointed === undefined
      ? undefined
      : 'depth' in pointed
        ? pointed.depth
        : results[pointed.side] && depthOf(pointed.cell.start, depthsOf(results[pointed.side]!))

  /** The cell of the other side at the same token and depth. */
  const counterpart = (side: Side, cell: Cell): Cell | undefined => {
    const [own, other] = [results[side], results[OTHER[side]]]
    if (!linked || !own || !other) return undefined
    return { token: cell.token, start: startAt(depthOf(cell.start, depthsOf(own)), depthsOf(other)) }
  }
  const hoveredOn = (side: Side): Cell | undefined =>
    pointed === undefined || 'depth' in pointed
      ? undefined
      : pointed.side === side
        ? pointed.cell
        : counterpart(pointed.side, pointed.cell)
  const selectedOn = (side: Side): Cell | undefined => {
    const { cell } = comparison[side]
    return cell && results[side]?.heatmap[cell.token]?.[cell.start] ? cell : undefined
  }
  const select = (side: Side, cell: Cell): void => {
    const before = comparison[side].cell
    const again = before?.token === cell.token && before.start === cell.start
    const other = OTHER[side]
    set({
      [side]: { ...comparison[side], cell: again ? undefined : cell },
      ...(linked && {
        [other]: { ...comparison[other], cell: again ? undefined : counterpart(side, cell) },
      }),
    })
  }
  const otherPrompt = async (): Promise<void> => {
    const fact = anotherFact(await relations().catch(() => []), comparison.a.prompt)
    const { model, revision } = comparison.a
    if (!fact) return
    set(
      {
        b: {
          ...comparison.b,
          model,
          revision,
          prompt: fact.prompt,
          subject: { start: fact.start, end: fact.end },
          answer: fact.answer,
          cell: undefined,
        },
      },
      true,
    )
  }

  return (
    <div class="compare">
      <h1 class="visually-hidden">Compare</h1>
      <div role="group" class="compare-quick" aria-label="What is compared">
        <button
          type="button"
          class="button"
          onClick={() =>
            set(
              {
                b: {
                  ...comparison.a,
                  model: otherModel(comparison.a.model),
                  revision: undefined,
                  cell: undefined,
                },
              },
              true,
            )
          }
        >
          Same prompt, other model
        </button>
        <button type="button" class="button" onClick={otherPrompt}>
          Same model, other prompt
        </button>
        <button type="button" class="button" onClick={() => set({ a: comparison.b, b: comparison.a }, true)}>
          Swap A and B
        </button>
      </div>
      <div class="compare-pair">
        {SIDES.map((side) => (
          <div key={side}>
            <QuestionEditor
              name={NAMES[side]}
              question={comparison[side]}
              encoded={sides[side].encoded}
              hovered={hoveredOn(side)?.token}
              onChange={(changes) => ask(side, changes)}
            />
            <SideStatus side={sides[side]} />
          </div>
        ))}
      </div>
      <Controls comparison={comparison} models={[a.model, b.model]} onChange={set} />
      <div class="compare-pair">
        {SIDES.map((side) => (
          <SidePanel
            key={side}
            name={NAMES[side]}
            side={sides[side]}
            hovered={hoveredOn(side)}
            selected={selectedOn(side)}
            depth={depth}
            onHover={(cell) => setPointed(cell && { side, cell })}
            onSelect={(cell) => select(side, cell)}
          />
        ))}
      </div>
      <Flow
        comparison={comparison}
        a={a}
        b={b}
        depth={depth}
        onHover={(share) => setPointed(share === undefined ? undefined : { depth: share })}
        onRoles={(roles) => set({ roles })}
      />
      <footer class="explore-foot">
        <p role="status">
          {results.a && results.b
            ? SIDES.map(
                (side) =>
                  `${NAMES[side]}: ${results[side]!.knockouts} knockouts in ${duration(results[side]!.took)}`,
              ).join('; ')
            : ' '}
        </p>
        <div class="explore-actions">
          {SIDES.map((side) => (
            <a key={side} class="button" href={addressOf('explore', paramsOf(comparison[side]))}>
              Explore {NAMES[side]}
            </a>
          ))}
        </div>
      </footer>
    </div>
  )
}

interface ControlsProps {
  readonly comparison: Comparison
  readonly models: readonly (ModelInfo | undefined)[]
  readonly onChange: (changes: Partial<Comparison>) => void
}

const SHARES = [5, 10, 20, 25, 33, 50, 75, 100]

/** What is cut on both sides. */
function Controls({ comparison, models, onChange }: ControlsProps) {
  const { share, target, features } = comparison
  const open = models.filter((model) => model !== undefined)
  const layers = (of: (model: ModelInfo) => number): string => {
    const counts = [...new Set(open.map(of))]
    return open.length === 0 ? '' : ` (${counts.join(' and ')} ${counts.join() === '1' ? 'layer' : 'layers'})`
  }
  const shares =
    share === undefined || SHARES.includes(share) ? SHARES : [...SHARES, share].sort((x, y) => x - y)
  const has = (category: Comparison['features']): boolean =>
    open.length === 0 || open.some((model) => model.featureCategories.includes(category))
  const without = open.filter((model) => !model.featureCategories.includes(features))
  const subject = comparison.a.subject !== undefined && comparison.b.subject !== undefined
  return (
    <section class="controls" aria-label="What is cut on both sides">
      <Select
        label="Window"
        value={share === undefined ? 'default' : String(share)}
        options={[
          { value: 'default', label: `each model’s own${layers(({ defaultWindow }) => defaultWindow)}` },
          ...shares.map((one) => ({
            value: String(one),
            label: `${one} % of the depth${layers(({ nLayers }) => layersOf(one, nLayers))}`,
          })),
        ]}
        onChange={(value) => onChange({ share: value === 'default' ? undefined : Number(value) })}
      />
      <Segments
        label="Features cut"
        value={features}
        options={(['all', 'context-dependent', 'context-independent'] as const).map((value) => ({
          value,
          label: value,
          disabled: !has(value),
          title: has(value)
            ? FEATURE_WORDS[value]
            : 'Only state-space layers have features that forget fast or slowly',
        }))}
        onChange={(value) => onChange({ features: value })}
      />
      <Select
        label="Cut from (target)"
        value={target}
        options={ROLES.map((role) => ({
          value: role,
          label: role,
          disabled: !subject && (role === 'subject' || role === 'context'),
        }))}
        onChange={(value) => onChange({ target: value })}
      />
      {features !== 'all' && without.length > 0 && (
        <p class="hint compare-note">
          {without.map(({ name }) => name).join(' and ')} has no such features: all are cut there.
        </p>
      )}
    </section>
  )
}

interface FlowProps {
  readonly comparison: Comparison
  readonly a: SideState
  readonly b: SideState
  readonly depth: number | undefined
  readonly onHover: (depth: number | undefined) => void
  readonly onRoles: (roles: readonly CurveRole[]) => void
}

/** The curve of a role on one side, if its prompt has such tokens. */
function curveOf(result: Exploration | undefined, role: CurveRole, name: string): SideCurve | undefined {
  const curve = result?.curves.find(({ source }) => source === role)
  return curve && { name, depths: depthsOf(result!), changes: curve.points.map(({ change }) => change) }
}

/** The curves of both sides in one plot, and how they differ in words. */
function Flow({ comparison, a, b, depth, onHover, onRoles }: FlowProps) {
  const [ra, rb] = [a.explored.result, b.explored.result]
  const { roles } = comparison
  const names = ra && rb && ra.model.name !== rb.model.name ? [ra.model.name, rb.model.name] : ['A', 'B']
  const pairs = useMemo(
    () =>
      CURVE_ROLES.map((role) => ({
        role,
        a: curveOf(ra, role, names[0]!),
        b: curveOf(rb, role, names[1]!),
      })),
    [ra, rb, names.join()],
  )
  const curves = useMemo(
    () =>
      pairs.flatMap(({ role, a: inA, b: inB }, style): DepthCurve[] =>
        !roles.includes(role)
          ? []
          : [
              ...(inA ? [{ ...inA, label: `${role}, ${inA.name}`, style, dashed: false }] : []),
              ...(inB ? [{ ...inB, label: `${role}, ${inB.name}`, style, dashed: true }] : []),
            ],
      ),
    [pairs, roles],
  )
  const target = ra?.target ?? comparison.target
  // A model without the chosen features has all of them cut: then each side says its own.
  const same = ra?.features === rb?.features
  const features = same ? (ra?.features ?? 'all') : 'all'
  const named = (side: SideCurve, result: Exploration | undefined): SideCurve =>
    same ? side : { ...side, name: `${side.name} (${FEATURE_WORDS[result?.features ?? 'all']})` }
  return (
    <section class="panel compare-flow" aria-label="Information flow by depth">
      <header>
        <h2>Where in depth each role matters</h2>
        <p class="compare-key">
          <Key dashed={false} /> {names[0]} <Key dashed /> {names[1]}
        </p>
      </header>
      <div class="compare-flow-body">
        <div>
          <DepthCurves
            label="Change of the answer’s probability by depth of the window’s middle; arrow keys move"
            curves={curves}
            depth={depth}
            onHover={onHover}
          />
          <p class="axis-title">depth of the window’s middle</p>
          <ul class="curve-legend" aria-label="Roles whose curves are shown">
            {pairs.map(({ role, a: inA, b: inB }, style) => {
              const on = roles.includes(role)
              const there = inA !== undefined || inB !== undefined
              return (
                <li key={role}>
                  <button
                    type="button"
                    aria-pressed={on}
                    disabled={!there}
                    onClick={() =>
                      onRoles(CURVE_ROLES.filter((one) => (one === role ? !on : roles.includes(one))))
                    }
                  >
                    <svg width="26" height="10" aria-hidden="true">
                      <line
                        x1="1"
                        x2="25"
                        y1="5"
                        y2="5"
                        stroke={lineStyle(style, theme.value).color}
                        stroke-width="2.5"
                      />
                    </svg>
                    <span>
                      {role} → {target}
                    </span>
                    <span class="curve-legend-value compare-values">
                      {depth !== undefined && on
                        ? curves
                            .filter((curve) => curve.style === style)
                            .map((curve) => signed(changeAt(curve, depth)))
                            .join(' · ')
                        : ''}
                    </span>
                  </button>
                </li>
              )
            })}
          </ul>
        </div>
        <ul class="compare-words" aria-label="How they differ" aria-live="polite">
          {pairs.map(
            ({ role, a: inA, b: inB }) =>
              inA &&
              inB && (
                <li key={role}>
                  {differenceWords({ source: role, target, features }, named(inA, ra), named(inB, rb))}
                </li>
              ),
          )}
        </ul>
      </div>
    </section>
  )
}

function Key({ dashed }: { dashed: boolean }) {
  return (
    <svg width="30" height="10" aria-hidden="true">
      <line
        x1="1"
        x2="29"
        y1="5"
        y2="5"
        stroke="currentColor"
        stroke-width="2"
        stroke-dasharray={dashed ? '6 4' : undefined}
      />
    </svg>
  )
}
