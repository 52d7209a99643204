/** The text of docs/findings.md: every number and every verdict comes from the stored results. */
import type { FlowPoint } from '../../src/experiments/info-flow.js'
import { strongest } from '../../src/experiments/summary.js'
import { curveOf, depth, type Findings, mainWindow, type StoredCurve, WINDOWS } from './measure.js'

/** One digit after the point, and no minus before a zero. */
function tenths(value: number): string {
  return value.toFixed(1).replace(/^-(0\.0)$/, '$1')
}

/** `-36.1 % (-40.3 to -31.9)` */
function effect({ mean, low, high }: FlowPoint): string {
  return `${tenths(mean)} % (${tenths(low)} to ${tenths(high)})`
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

function layers({ firstLayer }: FlowPoint, window: number): string {
  return window === 1 ? `${firstLayer}` : `${firstLayer}-${firstLayer + window - 1}`
}

/** A claim of the paper and what is found here. */
export interface Verdict {
  readonly model: string
  readonly holds: boolean
  readonly numbers: string
}

function must(curve: StoredCurve | undefined): StoredCurve {
  if (!curve) throw new Error('the results lack a curve that the page needs; delete docs/findings/results')
  return curve
}

/** Percent: a single layer that costs more is named. */
const NOTABLE = 5

/** The subject reaches the last token in the upper half: its strongest window lies there, clearly beyond any below. */
export function lateSubject(model: Findings): Verdict {
  const { nLayers } = model
  const window = mainWindow(nLayers)
  const curve = must(curveOf(model, 'subject', window))
  const best = strongest(curve)
  const lower = curve.points.filter((point) => depth(point, window, nLayers) <= 0.5)
  const upper = curve.points.filter((point) => depth(point, window, nLayers) > 0.5)
  const [low, high] = [lower, upper].map((points) => strongest({ points }))
  const single = must(curveOf(model, 'subject', 1))
    .points.filter(({ mean }) => mean < -NOTABLE)
    .map(({ firstLayer, mean }) => `${firstLayer} (${tenths(mean)} %)`)
  const alone = single.length > 0 ? single.join(', ') : 'none'
  return {
    model: model.model,
    holds: high!.high < low!.low,
    numbers: `strongest ${effect(best)} in layers ${layers(best, window)} of ${nLayers}, n = ${best.n}; largest loss with the window's middle in the lower half ${effect(low!)}, in the upper half ${effect(high!)}; single layers that cost more than ${NOTABLE} %: ${alone}`,
  }
}

/** How much less depth counts as earlier, as a share of the model's. */
const EARLIER = 0.1

/** The strongest window of a curve, and where its loss lies: the mean depth of its windows, weighted by the loss. */
function lossOf(model: Findings, source: string): { best: FlowPoint; place: number; window: number } {
  const window = mainWindow(model.nLayers)
  const curve = must(curveOf(model, source, window))
  const weights = curve.points.map(({ mean }) => Math.max(0, -mean))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const place =
    curve.points.reduce((sum, point, i) => sum + weights[i]! * depth(point, window, model.nLayers), 0) / total
  return { best: strongest(curve), place, window }
}

function apart(a: FlowPoint, b: FlowPoint): boolean {
  return a.high < b.low || b.high < a.low
}

/** A source matters otherwise than in the transformer: the strongest losses are apart, or lie at another depth. */
export function unlikeTransformer(source: string, results: readonly Findings[]): Verdict[] {
  const isMamba = ({ thirdsApart }: Findings): boolean => thirdsApart !== undefined
  const transformer = results.find((model) => !isMamba(model))!
  const theirs = lossOf(transformer, source)
  return results.filter(isMamba).map((model) => {
    const own = lossOf(model, source)
    const say = ({ model }: Findings, { best, place, window }: typeof own): string =>
      `\`${model}\` ${effect(best)} in layers ${layers(best, window)}, mean depth of the loss ${percent(place)}, n = ${best.n}`
    return {
      model: model.model,
      holds: apart(own.best, theirs.best) || Math.abs(own.place - theirs.place) >= EARLIER,
      numbers: `${say(model, own)}; ${say(transformer, theirs)}`,
    }
  })
}

/** The relation's words are read at less depth than the subject. */
export function relationEarlier(model: Findings): Verdict {
  const [relation, subject] = ['relation-minus-last', 'subject'].map((source) => lossOf(model, source))
  return {
    model: model.model,
    holds: relation!.place <= subject!.place - EARLIER,
    numbers: `mean depth of the loss: relation-minus-last ${percent(relation!.place)}, subject ${percent(subject!.place)}`,
  }
}

/** Context-dependent features carry the subject: cutting them costs more than cutting the context-independent ones. */
export function contextDependent(model: Findings): Verdict | undefined {
  const window = mainWindow(model.nLayers)
  const [dependent, independent] = ['context-dependent', 'context-independent'].map((features) =>
    curveOf(model, 'subject', window, features),
  )
  if (!dependent || !independent) return undefined
  const [d, i] = [strongest(dependent), strongest(independent)]
  return {
    model: model.model,
    holds: d.high < i.low,
    numbers: `context-dependent cut ${effect(d)}, context-independent cut ${effect(i)}, n = ${d.n}; the slowest third's norms are at least ${model.thirdsApart!.toFixed(1)} times the fastest third's`,
  }
}

/** The place of the subject's flow does not depend on the size of the window: the strongest windows share a layer. */
export function anyWindow(model: Findings): Verdict {
  const { nLayers } = model
  const places = WINDOWS.filter((window) => window < nLayers).map((window) => ({
    window,
    best: strongest(must(curveOf(model, 'subject', window))),
  }))
  const wide = places.filter(({ window }) => window > 1)
  const from = Math.max(...wide.map(({ best }) => best.firstLayer))
  const to = Math.min(...wide.map(({ best, window }) => best.firstLayer + window - 1))
  return {
    model: model.model,
    holds: from <= to,
    numbers: `${places
      .map(({ window, best }) => `w ${window}: ${tenths(best.mean)} % in ${layers(best, window)}`)
      .join('; ')}; n = ${places[0]!.best.n}`,
  }
}

/** What cutting the last token from itself costs. */
export function lastToken(model: Findings): Verdict {
  const { best } = lossOf(model, 'last')
  const subject = lossOf(model, 'subject').best
  return {
    model: model.model,
    holds: subject.high < best.low,
    numbers: `last → last ${effect(best)}, subject → last ${effect(subject)}, n = ${best.n}`,
  }
}

export function verdictTable(verdicts: readonly Verdict[], [yes, no] = ['holds', 'does not hold']): string {
  return [
    '| model | here | numbers |',
    '| --- | --- | --- |',
    ...verdicts.map(({ model, holds, numbers }) => `| \`${model}\` | **${holds ? yes : no}** | ${numbers} |`),
  ].join('\n')
}

/** All curves' strongest windows. */
export function allNumbers(results: readonly Findings[]): string {
  const rows = results.flatMap((model) =>
    model.curves.map((curve) => {
      const best = strongest(curve)
      const flow = `${curve.source}${curve.features === 'all' ? '' : ` (${curve.features})`}`
      return `| ${model.model} | ${curve.window} | ${flow} | ${tenths(best.mean)} | ${tenths(best.low)} to ${tenths(best.high)} | ${layers(best, curve.window)} | ${best.accuracy.toFixed(1)} | ${best.n} |`
    }),
  )
  return [
    '| model | window | cut from the last token | mean change, % | 95 % band | layers | still right, % | n |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

/** The page, in Markdown. */
export function page(results: readonly Findings[]): string {
  const [first] = results
  const total = results.reduce((sum, { knockouts }) => sum + knockouts, 0)
  const known = results
    .map(
      ({ model, evaluated: { n, right } }) =>
        `\`${model}\` ${right.toLocaleString('en')} of ${n.toLocaleString('en')}`,
    )
    .join(', ')
  const verdicts = (of: (model: Findings) => Verdict | undefined, words?: [string, string]) =>
    verdictTable(
      results.map(of).filter((verdict) => verdict !== undefined),
      words,
    )
  return `# What the embedded models show

<!-- Written by npm run findings; do not edit. -->

*Mamba Knockout for Unraveling Factual Information Flow* (Endy et al., ACL 2025, [arXiv 2505.24244](https://arxiv.org/abs/2505.24244)) says where facts flow in models of 130 million to 14 billion parameters. Do the three models of 3 million that come with factflow show the same? \`npm run findings\` writes this page and its figures from the results in [findings/results](findings/results); where those are missing, or the models or facts have changed, it measures anew (a few minutes).

**What was measured.** ${first!.facts} facts, as many of each of the 17 relations of [data/atlas.jsonl](../data/README.md), drawn by seed among those that all three models complete rightly in the wording that training held out (${known}). Each role of tokens is cut from the last token in every window of ${WINDOWS.join(', ')} layers: ${total.toLocaleString('en')} knockouts. A value is the mean relative change of the answer's probability over prompts, \`(p' - p) / p * 100\`, with its 95 % t interval in parentheses; n is the number of prompts. Where a figure or a number is of one window, it is of 9 of 24 layers, or 5 of the 12 of \`tiny-gpt2\` (\`factflow info-flow --window 5\`). *Apart* means that the intervals do not overlap.

Read this with three cautions. The models know these facts and nothing else, and are sure of them (p near 1): that hides small effects. Their training was made to keep facts out of the convolutions of the Mambas, and began with time steps that suit short prompts ([training/README.md](../training/README.md)): that the state space carries the facts, and over what distances, is by design; at which depth and through which of its features it does is not. And they are one model of each kind, from one seed: n counts prompts, not models.

## 1. The subject reaches the last token late

**The paper:** in all models, Mamba and transformer, key information flows from the subject's tokens to the last token in middle to late layers. **Criterion:** the largest loss with the window's middle in the upper half of the layers is beyond the largest in the lower half, and apart from it.

${verdicts(lateSubject)}

The strongest windows of the Mambas are the last ones that there are. In \`tiny-mamba1\` single layers near the end do nearly all of it; in \`tiny-mamba2\` many layers share it, so that only wide windows show it. \`tiny-gpt2\` moves its subject in its first layers: twelve layers for facts of one step leave it no reason to wait.

![Sources by model](findings/sources.svg)

## 2. The words of the relation

**The paper:** how much, and where, the tokens that are not the subject's matter differs between Mamba and transformers. **Criterion:** the strongest loss from cutting relation-minus-last is apart from that of \`tiny-gpt2\`, or the loss lies a tenth of the depth or more away from it.

${verdictTable(unlikeTransformer('relation-minus-last', results))}

Seen here beside it, without a claim of the paper: is the relation read earlier than the subject, by a tenth of the depth or more? (Means; the depth of a loss has no interval here.)

${verdicts(relationEarlier, ['yes', 'no'])}

## 3. The first and the last token

**The paper:** models differ in a bias towards the first token. **Criterion:** as above, for the first token. (Where the subject comes first, the first token is one of its own.)

${verdictTable(unlikeTransformer('first', results))}

Beside it: does cutting the last token from itself cost less than cutting the subject, apart from it?

${verdicts(lastToken, ['yes', 'no'])}

## 4. Context-dependent features carry the subject

**The paper:** features that forget fast (context-dependent) let tokens exchange information; those that forget slowly (context-independent) enrich single tokens. **Criterion:** cutting the context-dependent two thirds of the features costs more than cutting the context-independent two thirds, and is apart from it. (The two share the middle third.)

${verdicts(contextDependent)}

Where the slowest third's norms are hardly larger than the fastest third's, as in \`tiny-mamba1\`, the categories mean little, and the difference is small. In \`tiny-mamba2\` the heads differ by construction, and so does what they carry.

![Feature categories](findings/features.svg)

## 5. The size of the window

**The paper:** other sizes of the window show the same picture. **Criterion:** the strongest windows of 3 and more layers, from cutting the subject, have a layer in common.

${verdicts(anyWindow)}

![Windows](findings/windows.svg)

## 6. Four prompts

**The paper** shows such maps of single prompts. Each token is cut from the last token here, in every window (9 layers; \`tiny-gpt2\` 5); the subject's tokens are marked. One sees the same in the Mambas where a word of the relation decides (\`capital\` of Egypt, which stands in five relations), and nothing of a word where the subject leaves no choice. Of a subject of several tokens the last one counts. \`tiny-gpt2\` has one column: its first layers.

![Heatmaps](findings/heatmaps.svg)

## All numbers

The strongest window of every curve. *Still right*: prompts whose most probable token is still the answer, in that window.

<details><summary>${results.reduce((sum, { curves }) => sum + curves.length, 0)} curves</summary>

${allNumbers(results)}

</details>
`
}
