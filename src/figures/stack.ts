import type { VegaLiteSpec } from './style.js'

/** One figure of several, one below the other, each with its own scales. */
export function stack(...specs: VegaLiteSpec[]): VegaLiteSpec {
  const [first] = specs
  const own = 'independent'
  const parts = specs.map(({ $schema: _schema, config: _config, ...part }) => part)
  return {
    $schema: first!.$schema,
    config: first!.config,
    vconcat: parts,
    spacing: 32,
    resolve: { scale: { color: own, shape: own, x: own, y: own }, legend: { color: own, shape: own } },
  } as VegaLiteSpec
}
