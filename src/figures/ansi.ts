/** How many colours a terminal shows, as Node's `tty` counts them; 0 means no escape codes at all. */
export type Colors = 0 | 16 | 256 | 16777216

/** A colour in the three ways terminals name one. */
export interface Ink {
  /** 24 bit: `#rrggbb`. */
  hex: string
  /** Among xterm's 256 colours. */
  xterm: number
  /** SGR foreground code among 16 colours: 30-37 or 90-97. */
  sgr: number
}

/** How a piece of text looks; no ink is the terminal's own text colour. */
export interface Look {
  ink?: Ink
  /** Background; drawn with 256 colours or more. */
  background?: Pick<Ink, 'hex' | 'xterm'>
  bold?: boolean
  dim?: boolean
}

/** Wrap a text in the SGR escape codes of a look, as far as the terminal can show it; in nothing when `colors` is 0. */
export function paint(text: string, look: Look, colors: Colors): string {
  const code = sgr(look, colors)
  return code === '' || text === '' ? text : `\u001b[${code}m${text}\u001b[0m`
}

/** Paint a row of cells, with one escape sequence for each run of cells that look alike. */
export function paintRun(cells: readonly { text: string; look: Look }[], colors: Colors): string {
  let out = ''
  for (let start = 0; start < cells.length; ) {
    const code = sgr(cells[start].look, colors)
    let end = start + 1
    while (end < cells.length && sgr(cells[end].look, colors) === code) end++
    const text = cells.slice(start, end).map((cell) => cell.text)
    out += paint(text.join(''), cells[start].look, colors)
    start = end
  }
  return out
}

/** The parameters of the SGR escape code of a look; empty when there is nothing to set. */
function sgr(look: Look, colors: Colors): string {
  if (colors === 0) return ''
  const codes: (string | number)[] = []
  if (look.bold) codes.push(1)
  if (look.dim) codes.push(2)
  if (look.ink) codes.push(colors === 16 ? look.ink.sgr : extended(38, look.ink, colors))
  if (look.background && colors > 16) codes.push(extended(48, look.background, colors))
  return codes.join(';')
}

/** The colour between `stops`, evenly spaced `#rrggbb` colours, at 0 <= position <= 1, linear in RGB. */
export function gradient(stops: readonly string[], position: number): string {
  const at = Math.min(1, Math.max(0, position)) * (stops.length - 1)
  const below = Math.min(stops.length - 2, Math.floor(at))
  const [a, b] = [channels(stops[below]), channels(stops[below + 1])]
  const mixed = a.map((value, i) => Math.round(value + (b[i] - value) * (at - below)))
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`
}

function extended(kind: 38 | 48, { hex, xterm }: Pick<Ink, 'hex' | 'xterm'>, colors: Colors): string {
  return colors === 256 ? `${kind};5;${xterm}` : `${kind};2;${channels(hex).join(';')}`
}

function channels(hex: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
}
