declare module 'subset-font' {
  interface Options {
    targetFormat?: 'sfnt' | 'truetype' | 'woff' | 'woff2'
    /** Leave out the instructions that fit glyphs to coarse pixels. */
    noHinting?: boolean
  }
  /** The part of a font that draws `text`, ligatures included. */
  export default function subsetFont(font: Uint8Array, text: string, options?: Options): Promise<Uint8Array>
}
