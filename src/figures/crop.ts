/** A figure is cut to what is drawn, with an even margin. */
import { MEASURES } from './look.js'
import type { VegaLiteSpec } from './style.js'

/** A rectangle in pixels of an SVG. */
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** What Vega paints first: the whole figure in the colour of the background. */
const BACKGROUND = /<rect (?:x="[^"]*" y="[^"]*" )?width="[^"]*" height="[^"]*" fill="([^"]*)"\/>/

/**
 * An SVG of Vega, cut to what is to be seen, with the padding that its spec asks for.
 * @param boxOf what an SVG covers; undefined when that is nothing
 */
export function cropped(svg: string, spec: VegaLiteSpec, boxOf: (svg: string) => Box | undefined): string {
  const padding = spec.config?.padding
  const margin = typeof padding === 'number' ? padding : MEASURES.screen.margin
  const sized = / width="[^"]*" height="[^"]*" viewBox="[^"]*"/
  // What Vega draws without fill or stroke spans more than is to be seen: not part of the picture.
  const visible = svg.replace(BACKGROUND, '').replaceAll(/<path class="background"[^>]*\/>/g, '')
  const box = boxOf(visible)
  if (box === undefined) return svg
  const [x, y] = [box.x - margin, box.y - margin].map(Math.floor)
  const [width, height] = [box.x + box.width + margin - x!, box.y + box.height + margin - y!].map(Math.ceil)
  return svg
    .replace(sized, ` width="${width}" height="${height}" viewBox="${x} ${y} ${width} ${height}"`)
    .replace(
      BACKGROUND,
      (_, fill) => `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${fill}"/>`,
    )
}
