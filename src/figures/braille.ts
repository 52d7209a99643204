const FIRST = 0x2800
/** The bit of each dot in a Braille pattern, [row][column]: 4 rows, 2 columns. */
const BITS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
]

/** A grid of Braille cells, 2 x 4 dots each, to draw lines in a terminal; dot (0, 0) is at the top left. */
export class BrailleCanvas {
  private readonly dots: Uint8Array

  constructor(
    readonly columns: number,
    readonly rows: number,
  ) {
    this.dots = new Uint8Array(columns * rows)
  }

  /** Set the dot at (x, y), 0 <= x < 2 * columns, 0 <= y < 4 * rows; dots outside are left out. */
  set(x: number, y: number): void {
    if (x < 0 || y < 0 || x >= 2 * this.columns || y >= 4 * this.rows) return
    this.dots[(y >> 2) * this.columns + (x >> 1)] |= BITS[y & 3][x & 1]
  }

  /** The Braille character of a cell; empty when no dot is set. */
  cell(column: number, row: number): string {
    const bits = this.dots[row * this.columns + column]
    return bits === 0 ? '' : String.fromCodePoint(FIRST + bits)
  }
}
