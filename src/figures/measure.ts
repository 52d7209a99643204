/** Vega measures text as figures are made: in DejaVu Sans, whatever the machine has. */
/// <reference path="./vega-text.d.ts" />
import { textMetrics } from 'vega'
import { textWidth } from './metrics.js'

/**
 * Tell Vega how wide text is. Without a canvas it takes every character to be 0.8 em wide, with one it measures in the
 * fonts of the machine.
 */
export function measureText(): void {
  textMetrics.width = ({ fontSize = 11, fontWeight, limit }, text) => {
    const width = textWidth(String(text ?? '').trim(), fontSize, fontWeight === 'bold' ? 'bold' : 'normal')
    return limit && limit > 0 ? Math.min(limit, width) : width
  }
}
