/** What a figure says and shows, read off its SVG. */
import { type LoggerInterface, parse, View } from 'vega'
import { compile } from 'vega-lite'
import { toSvg } from '../../src/figures/render.js'
import type { VegaLiteSpec } from '../../src/figures/style.js'

/** A figure as it is drawn. */
export interface Examined {
  svg: string
  /** Everything Vega-Lite and Vega warn about while it is compiled and drawn. */
  warnings: string[]
  /** Pairs of texts that are drawn over each other. */
  overlaps: string[]
}

export async function examine(spec: VegaLiteSpec): Promise<Examined> {
  // First, so that Vega then measures text as figures are drawn.
  const svg = await toSvg(spec)
  const said: string[] = []
  const note = (...args: readonly unknown[]) => {
    said.push(args.join(' '))
    return logger
  }
  const logger = {
    level: () => logger,
    error: note,
    warn: note,
    info: () => logger,
    debug: () => logger,
  } as unknown as LoggerInterface
  const view = new View(parse(compile(spec, { logger }).spec), { renderer: 'none', logger })
  await view.toSVG()
  const boxes: Box[] = []
  collect((view.scenegraph() as unknown as { root: Item }).root, 0, 0, boxes)
  view.finalize()
  return { svg, warnings: said, overlaps: overlapping(boxes) }
}

export async function warnings(spec: VegaLiteSpec): Promise<string[]> {
  return (await examine(spec)).warnings
}

/** The texts of an SVG, the lines of a text one below the other. */
export function texts(svg: string): string[] {
  const entities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' }
  return [...svg.matchAll(/<text\b[^>]*>(.*?)<\/text>/gs)].map(([, text]) =>
    text
      .replaceAll(/<\/tspan><tspan[^>]*>/g, '\n')
      .replaceAll(/<[^>]*>/g, '')
      .replaceAll(/&\w+;/g, (entity) => entities[entity]),
  )
}

/** Width, height, left and top of an SVG, in pixels. */
export function frame(svg: string): [width: number, height: number, left: number, top: number] {
  const found = /^<svg [^>]*width="(\d+)" height="(\d+)" viewBox="(-?\d+) (-?\d+) \1 \2"/.exec(svg)!
  return found.slice(1).map(Number) as [number, number, number, number]
}

/** The sizes of all type, in pixels. */
export function typeSizes(svg: string): number[] {
  return [...svg.matchAll(/<text\b[^>]* font-size="([\d.]+)px"/g)].map(([, size]) => Number(size))
}

export function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length
}

/** The cells of a heatmap as Vega drew them: place, and colour as [red, green, blue]. */
export function cells(svg: string): { x: number; y: number; rgb: number[] }[] {
  const marks = /<g class="mark-rect role-mark [^"]*marks"[^>]*>(.*?)<\/g>/.exec(svg)![1]
  return [...marks.matchAll(/<path d="M([\d.]+),([\d.]+)h[^"]*" fill="rgb\(([^)]*)\)"/g)].map((match) => ({
    x: Number(match[1]),
    y: Number(match[2]),
    rgb: match[3].split(',').map(Number),
  }))
}

export const luminance = ([red, green, blue]: number[]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue

interface Item {
  marktype?: string
  text?: string | string[]
  opacity?: number
  bounds: { x1: number; y1: number; x2: number; y2: number }
  x?: number
  y?: number
  items?: Item[]
  [part: string]: unknown
}

interface Box {
  text: string
  x1: number
  y1: number
  x2: number
  y2: number
}

/** Texts whose line boxes stand this far in each other are still apart: boxes are taller than letters. */
const LINE_GAP = 3

function overlapping(boxes: readonly Box[]): string[] {
  const apart = (a: Box, b: Box) =>
    a.x2 - LINE_GAP <= b.x1 || b.x2 - LINE_GAP <= a.x1 || a.y2 - LINE_GAP <= b.y1 || b.y2 - LINE_GAP <= a.y1
  return boxes.flatMap((a, i) =>
    boxes
      .slice(i + 1)
      .filter((b) => !apart(a, b))
      .map((b) => `${a.text} / ${b.text}`),
  )
}

/** The boxes of all texts in an item of a scene, whose origin is at (x, y). */
function collect(item: Item, x: number, y: number, boxes: Box[]): void {
  for (const child of item.items ?? []) {
    if (child.marktype === undefined && child.text !== undefined) {
      const text = [child.text].flat().join(' ')
      const { x1, y1, x2, y2 } = child.bounds
      if (text !== '' && child.opacity !== 0)
        boxes.push({ text, x1: x1 + x, y1: y1 + y, x2: x2 + x, y2: y2 + y })
    } else if (child.marktype === undefined) {
      collect(child, x + (child.x ?? 0), y + (child.y ?? 0), boxes)
    } else {
      collect(child, x, y, boxes)
    }
  }
}
