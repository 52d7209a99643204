/** What a TrueType file says of its glyphs (OpenType specification: head, hhea, hmtx, cmap format 4). */
export interface Font {
  /** The advance width of a character in em; undefined where the font lacks it. */
  advance(character: string): number | undefined
}
export declare function readFont(file: Uint8Array): Font
