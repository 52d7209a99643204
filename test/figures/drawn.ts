/** What a figure says and shows, read off its SVG. */
import { type LoggerInterface, parse, View } from 'vega'
import { compile } from 'vega-lite'
import type { VegaLiteSpec } from '../../src/figures/style.js'

/** Everything Vega-Lite and Vega warn about while a figure is compiled and drawn. */
export async function warnings(spec: VegaLiteSpec): Promise<string[]> {
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
  view.finalize()
  return said
}

export function texts(svg: string): string[] {
  const entities: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' }
  return [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) =>
    text.replace(/&\w+;/g, (entity) => entities[entity]),
  )
}

export function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length
}

/** The cells of a heatmap as Vega drew them: place, and colour as [red, green, blue]. */
export function cells(svg: string): { x: number; y: number; rgb: number[] }[] {
  const marks = /<g class="mark-rect role-mark marks"[^>]*>(.*?)<\/g>/.exec(svg)![1]
  return [...marks.matchAll(/<path d="M([\d.]+),([\d.]+)h[^"]*" fill="rgb\(([^)]*)\)"/g)].map((match) => ({
    x: Number(match[1]),
    y: Number(match[2]),
    rgb: match[3].split(',').map(Number),
  }))
}

export const luminance = ([red, green, blue]: number[]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue

