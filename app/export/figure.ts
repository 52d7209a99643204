/**
 * Figures as the command line draws them: SVG with its font inside, PNG of that. Vega, Vega-Lite and the font are loaded
 * when the first one is drawn. Vega's expressions are interpreted, as the page allows no code that is made of text.
 */
import type { Box } from '../../src/figures/crop.js'
import type { VegaLiteSpec } from '../../src/figures/style.js'

const FAMILY = 'DejaVu Sans'

/** A stand-alone SVG document, cut to what is drawn. */
export async function drawSvg(spec: VegaLiteSpec): Promise<string> {
  const [{ parse, View }, { compile }, { expressionInterpreter }, { measureText }, { cropped }, fonts] =
    await Promise.all([
      import('vega'),
      import('vega-lite'),
      import('vega-interpreter'),
      import('../../src/figures/measure.js'),
      import('../../src/figures/crop.js'),
      import('virtual:figure-fonts'),
    ])
  measureText()
  const runtime = parse(compile(spec).spec, undefined, { ast: true })
  const view = new View(runtime, { renderer: 'none', expr: expressionInterpreter })
  const faces = [
    { weight: 'normal', data: fonts.normal },
    { weight: 'bold', data: fonts.bold },
  ]
  // The page's own measure of the picture needs the font, but only for so long.
  const loaded = await Promise.all(faces.map(({ weight, data }) => loadedFace(weight, data)))
  try {
    const style = faces.map(({ weight, data }) => faceRule(weight, data)).join('')
    return cropped(await view.toSVG(), spec, boxOf).replace(
      /^<svg [^>]*>/,
      (start) => `${start}<style>${style}</style>`,
    )
  } finally {
    for (const face of loaded) document.fonts.delete(face)
    view.finalize()
  }
}

async function loadedFace(weight: string, data: string): Promise<FontFace> {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0))
  const face = new FontFace(FAMILY, bytes, { weight })
  document.fonts.add(await face.load())
  return face
}

function faceRule(weight: string, data: string): string {
  const source = `url(data:font/woff2;base64,${data}) format("woff2")`
  return `@font-face{font-family:"${FAMILY}";font-weight:${weight};src:${source}}`
}

/** What an SVG covers, as the browser lays it out. */
function boxOf(svg: string): Box | undefined {
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement
  const element = document.importNode(parsed, true) as unknown as SVGSVGElement
  const holder = document.createElement('div')
  holder.setAttribute('aria-hidden', 'true')
  Object.assign(holder.style, {
    position: 'fixed',
    visibility: 'hidden',
    left: '0',
    top: '0',
    width: '0',
    height: '0',
  })
  holder.append(element)
  document.body.append(holder)
  try {
    const { x, y, width, height } = element.getBBox({ stroke: true })
    return width > 0 && height > 0 ? { x, y, width, height } : undefined
  } finally {
    holder.remove()
  }
}

/**
 * An SVG, as `drawSvg` makes it, as a PNG on its own background.
 * @param scale pixels of the PNG per pixel of the SVG
 */
export async function drawPng(svg: string, scale = 2): Promise<Blob> {
  const image = new Image()
  const url = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }))
  try {
    image.src = url
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = Math.round(image.naturalWidth * scale)
    canvas.height = Math.round(image.naturalHeight * scale)
    const context = canvas.getContext('2d')
    if (!context) throw new Error('the browser gives no canvas to draw on; save the SVG')
    context.drawImage(image, 0, 0, canvas.width, canvas.height)
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'))
    if (!blob) throw new Error('the picture is larger than the browser can draw; save the SVG')
    return blob
  } finally {
    URL.revokeObjectURL(url)
  }
}

/** Have the browser save a file. */
export function save(name: string, content: Blob | string, type = 'application/octet-stream'): void {
  const url = URL.createObjectURL(typeof content === 'string' ? new Blob([content], { type }) : content)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // Browsers read it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
