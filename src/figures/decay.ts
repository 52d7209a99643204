/** How slowly features forget, drawn. */
export { decayBoxesSpec } from './decay-boxes.js'
export type { DecayLayer } from './decay-data.js'
export { decayHistogramsSpec } from './decay-histograms.js'
