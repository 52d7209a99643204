import stringWidth from 'string-width'

/** Rows as lines, in columns two spaces apart; columns in `left` start at their left edge, the others end at the right. */
export function tableLines(rows: readonly (readonly string[])[], left: ReadonlySet<number>): string[] {
  const widths = rows[0]!.map((_, column) =>
    rows.reduce((widest, row) => Math.max(widest, stringWidth(row[column]!)), 0),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - stringWidth(cell))
        return left.has(column) ? cell + space : space + cell
      })
      .join('  ')
      .trimEnd(),
  )
}
