/** A study's report: one HTML page that needs nothing else, figures included. */
import type { StudyFigure } from './drawn.js'
import type { Study } from './study.js'
import type { Table } from './summary-tables.js'

export interface ReportContents {
  readonly study: Study
  /** What the results show, in sentences. */
  readonly summary: readonly string[]
  readonly figures: readonly StudyFigure[]
  readonly tables: readonly Table[]
  /** Version of factflow. */
  readonly version: string
  /** When the first and the last result were stored. */
  readonly created: string
  readonly updated: string
}

/** The page. */
export function reportHtml(contents: ReportContents): string {
  const { study, summary, figures, tables, version, created, updated } = contents
  const title = study.title ?? study.name
  const day = (time: string): string => time.slice(0, 10)
  const when = day(created) === day(updated) ? day(updated) : `${day(created)} to ${day(updated)}`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<header>
<h1>${escaped(title)}</h1>
${study.description ? `<p>${escaped(study.description)}</p>` : ''}
<p class="quiet">factflow ${escaped(version)} · ${escaped(when)} · study <code>${escaped(study.name)}</code></p>
</header>
<nav>${[
    ['findings', 'Findings'],
    ['figures', 'Figures'],
    ['tables', 'Tables'],
    ['asked', 'What was asked'],
    ['cite', 'How to cite'],
  ]
    .map(([id, text]) => `<a href="#${id}">${text}</a>`)
    .join(' ')}</nav>
<main>
<section id="findings"><h2>Findings</h2>
${summary.map((text) => `<p>${escaped(text)}</p>`).join('\n')}
</section>
<section id="figures"><h2>Figures</h2>
${figures.map(figureHtml).join('\n')}
</section>
<section id="tables"><h2>Tables</h2>
${tables.map(tableHtml).join('\n')}
</section>
<section id="asked"><h2>What was asked</h2>
<details><summary>The study, as JSON: run it again with <code>factflow study FILE</code></summary>
<pre>${escaped(JSON.stringify(study, null, 2))}</pre></details>
<p>A knockout cuts all connections from the source tokens to the target tokens in a window of layers. Its effect is the relative change (p′ − p) / p · 100 of the probability p of the answer’s first token at the last position. Bands and ± are 95 % intervals over prompts.</p>
</section>
<section id="cite"><h2>How to cite</h2>
<p>The method and the experiments are those of Endy et al. (ACL 2025); please cite the paper, and factflow ${escaped(version)} for the numbers.</p>
<pre>${escaped(CITATION)}</pre>
</section>
</main>
</html>
`
}

export const CITATION = `@inproceedings{endy2025mambaknockout,
  title     = {Mamba Knockout for Unraveling Factual Information Flow},
  author    = {Endy, Nir and Grosbard, Idan Daniel and Ran-Milo, Yuval and Slutzky, Yonatan and Tshuva, Itay and Giryes, Raja},
  booktitle = {Proceedings of the 63rd Annual Meeting of the Association for Computational Linguistics},
  year      = {2025},
  url       = {https://arxiv.org/abs/2505.24244}
}`

function figureHtml({ name, title, light, dark }: StudyFigure): string {
  const file = encodeURIComponent(name)
  const links = ['svg', 'png', 'csv', 'vl.json'].map(
    (kind) =>
      `<a href="figures/${file}.${kind}">${kind === 'vl.json' ? 'Vega-Lite' : kind.toUpperCase()}</a>`,
  )
  return `<figure id="${escaped(name)}">
<picture><source media="(prefers-color-scheme: dark)" srcset="${dataUri(dark)}"><img src="${dataUri(light)}" alt="${escaped(title)}"></picture>
<figcaption class="quiet">${links.join(' · ')}</figcaption>
</figure>`
}

function tableHtml({ title, note, columns, rows }: Table): string {
  const cell = (value: string, i: number, tag: 'td' | 'th'): string =>
    `<${tag}${columns[i]!.text ? '' : ' class="number"'}>${escaped(value)}</${tag}>`
  const head = columns.map(({ name }, i) => cell(name, i, 'th')).join('')
  const body = rows.map((row) => `<tr>${row.map((value, i) => cell(value, i, 'td')).join('')}</tr>`)
  const html = `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`
  const long = rows.length > LONG
  const shown = long ? `<details><summary>${rows.length} rows</summary>${html}</details>` : html
  return `<h3>${escaped(title)}</h3>${note ? `<p>${escaped(note)}</p>` : ''}<div class="wide">${shown}</div>`
}

/** Rows of a table that is folded. */
const LONG = 30

function dataUri(svg: string): string {
  return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`
}

function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' }
  return text.replace(/[&<>"]/g, (character) => `&${names[character]};`)
}

const STYLE = `
:root { color-scheme: light dark; --ink: #222; --quiet: #666; --line: #ddd; --paper: #fff; --link: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --quiet: #a0a0a0; --line: #3a3a3a; --paper: #14171a; --link: #6db9e8; } }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; } h2 { font-size: 1.35rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; } p { max-width: 46rem; }
a { color: var(--link); } nav a { margin-right: 1rem; } .quiet { color: var(--quiet); font-size: .9em; }
figure { margin: 2rem 0; } figure img { max-width: 100%; height: auto; } figcaption { font-size: .92rem; margin-top: .5rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; } th { font-weight: 600; } .number { text-align: right; white-space: nowrap; }
pre { overflow-x: auto; font-size: .82rem; line-height: 1.45; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 4px; } code { font-size: .92em; }
summary { cursor: pointer; }
@media (max-width: 50rem) { figure { overflow-x: auto; } figure img { width: 56rem; max-width: none; } }
@media print { nav { display: none; } figure { break-inside: avoid; } }
`
