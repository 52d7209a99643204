export function readFont(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const tables = new Map()
  for (let t = 0; t < view.getUint16(4); t++) {
    const at = 12 + 16 * t
    tables.set(String.fromCharCode(...file.subarray(at, at + 4)), view.getUint32(at + 8))
  }
  const [head, hhea, hmtx, cmap] = ['head', 'hhea', 'hmtx', 'cmap'].map((tag) => tables.get(tag))
  const unitsPerEm = view.getUint16(head + 18)
  const nWidths = view.getUint16(hhea + 34)
  let map = 0
  for (let e = 0; e < view.getUint16(cmap + 2); e++) {
    const at = cmap + view.getUint32(cmap + 4 + 8 * e + 4)
    if (view.getUint16(at) === 4) map = at
  }
  const segments = view.getUint16(map + 6) / 2
  const [ends, starts] = [map + 14, map + 16 + 2 * segments]
  const [deltas, offsets] = [starts + 2 * segments, starts + 4 * segments]
  function glyph(code) {
    for (let s = 0; s < segments; s++) {
      if (view.getUint16(ends + 2 * s) < code) continue
      const start = view.getUint16(starts + 2 * s)
      if (start > code) return 0
      const [delta, offset] = [view.getUint16(deltas + 2 * s), view.getUint16(offsets + 2 * s)]
      if (offset === 0) return (code + delta) & 0xffff
      const found = view.getUint16(offsets + 2 * s + offset + 2 * (code - start))
      return found === 0 ? 0 : (found + delta) & 0xffff
    }
    return 0
  }
  return {
    advance(character) {
      const id = glyph(character.codePointAt(0))
      return id === 0 ? undefined : view.getUint16(hmtx + 4 * Math.min(id, nWidths - 1)) / unitsPerEm
    },
  }
}
