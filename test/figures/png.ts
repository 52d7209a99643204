import { inflateSync } from 'node:zlib'

export interface Image {
  width: number
  height: number
  /** RGBA, row by row. */
  pixels: Uint8Array
}

/** Decode an 8-bit RGBA PNG without interlacing (PNG specification, section 9: filtering). */
export function decodePng(file: Uint8Array): Image {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const [width, height] = [view.getUint32(16), view.getUint32(20)]
  if (view.getUint8(24) !== 8 || view.getUint8(25) !== 6 || view.getUint8(28) !== 0)
    throw new Error('not RGBA')
  const data: Uint8Array[] = []
  for (let at = 8; at < file.length; ) {
    const length = view.getUint32(at)
    if (String.fromCharCode(...file.subarray(at + 4, at + 8)) === 'IDAT') {
      data.push(file.subarray(at + 8, at + 8 + length))
    }
    at += length + 12
  }
  const raw = inflateSync(Buffer.concat(data))
  const stride = 4 * width
  const pixels = new Uint8Array(stride * height)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const left = x >= 4 ? pixels[y * stride + x - 4] : 0
      const up = y > 0 ? pixels[(y - 1) * stride + x] : 0
      const corner = x >= 4 && y > 0 ? pixels[(y - 1) * stride + x - 4] : 0
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]
      pixels[y * stride + x] = raw[y * (stride + 1) + 1 + x] + predicted
    }
  }
  return { width, height, pixels }
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(left + up - corner - value))
  return a <= b && a <= c ? left : b <= c ? up : corner
}

/** How many pixels of a rectangle differ between two images of the same size. */
export function differing(a: Image, b: Image, x: [number, number], y: [number, number]): number {
  let count = 0
  for (let row = y[0]; row < y[1]; row++) {
    for (let column = x[0]; column < x[1]; column++) {
      const at = 4 * (row * a.width + column)
      if ([0, 1, 2].some((channel) => a.pixels[at + channel] !== b.pixels[at + channel])) count++
    }
  }
  return count
}

/** The smallest rectangle that holds every pixel that is not of the background, the colour of the first pixel. */
export function inkBox({ width, height, pixels }: Image): { x: [number, number]; y: [number, number] } {
  const x: [number, number] = [width, 0]
  const y: [number, number] = [height, 0]
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = 4 * (row * width + column)
      if ([0, 1, 2].every((channel) => pixels[at + channel] === pixels[channel])) continue
      x[0] = Math.min(x[0], column)
      x[1] = Math.max(x[1], column + 1)
      y[0] = Math.min(y[0], row)
      y[1] = Math.max(y[1], row + 1)
    }
  }
  return { x, y }
}
