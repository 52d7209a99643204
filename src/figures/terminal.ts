export type { Colors } from './ansi.js'
export { drawCurves } from './terminal-curves.js'
export { MIN_WIDTH } from './terminal-frame.js'
export { drawHeatmap } from './terminal-heatmap.js'
