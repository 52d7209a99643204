/** How cuts are told apart in the drawing and the list. */
import { lineStyle } from '../../components/colors.js'
import { LETTERS } from '../../state/cuts.js'
import { theme } from '../../state/theme.js'

export function cutStyle(letter: string): { color: string; dash: string | undefined } {
  return lineStyle(LETTERS.indexOf(letter), theme.value)
}

const SHIFTS = [0, 4, -4, 8, -8]

/** Cuts of the same tokens are drawn side by side: by how many pixels one is moved. */
export function shiftOf(letter: string): number {
  return SHIFTS[LETTERS.indexOf(letter) % SHIFTS.length]!
}
