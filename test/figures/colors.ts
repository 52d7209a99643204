/** Colours as people see them. */

export type Vision = 'normal' | 'protanopia' | 'deuteranopia' | 'tritanopia'

/** Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB; rows of the matrices. */
const SEEN: Record<Vision, number[][]> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
}
export const VISIONS = Object.keys(SEEN) as Vision[]

const times = (matrix: number[][], vector: number[]) =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0))

/** Linear RGB of `#rrggbb` or `white`. */
function linear(color: string): number[] {
  const hex = color === 'white' ? '#ffffff' : color
  return [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
}

/** Oklab (Ottosson 2020) of what someone sees. */
function oklab(color: string, vision: Vision): number[] {
  const rgb = times(SEEN[vision], linear(color)).map((c) => Math.min(1, Math.max(0, c)))
  const lms = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    rgb,
  ).map(Math.cbrt)
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    lms,
  )
}

/** The distance of the two most alike of some colours, in Oklab, for the vision that tells them apart worst. */
export function leastDistance(colors: readonly string[]): number {
  const distances = VISIONS.flatMap((vision) => {
    const seen = colors.map((color) => oklab(color, vision))
    return seen.flatMap((a, i) =>
      seen.slice(i + 1).map((b) => Math.hypot(...a.map((value, c) => value - b[c]))),
    )
  })
  return Math.min(...distances)
}

export function lightness(color: string): number {
  return oklab(color, 'normal')[0]
}

/** Contrast ratio of two colours (WCAG 2). */
export function contrast(a: string, b: string): number {
  const [darker, lighter] = [a, b]
    .map((color) => times([[0.2126, 0.7152, 0.0722]], linear(color))[0])
    .sort((x, y) => x - y)
  return (lighter + 0.05) / (darker + 0.05)
}
