/** factflow: see where a language model's facts flow. The public library. */

export type { Checkpoint } from './checkpoints/checkpoint.js'
export type { HubModel } from './checkpoints/hub.js'
export { type CachedModel, cachedModel, cachedModels } from './checkpoints/hub-cache.js'
export type { DownloadProgress } from './checkpoints/hub-target.js'
export type { ColumnMap } from './datasets/layouts.js'
export { prepareFacts } from './datasets/prepare.js'
export { selectFacts } from './datasets/select.js'
export type { Unusable } from './datasets/unusable.js'
export { InputError } from './errors.js'
export {
  type Accuracy,
  accuracies,
  type EvaluateSettings,
  type Evaluation,
  evaluate,
} from './experiments/evaluate.js'
export { type Flow, flowLabel, PAPER_FLOWS, paperFlows, parseFlow } from './experiments/flows.js'
export { type Heatmap, type HeatmapOptions, heatmapFigure, heatmaps } from './experiments/heatmap.js'
export {
  type FlowCurve,
  type FlowMeasurement,
  type FlowPoint,
  type InfoFlow,
  type InfoFlowOptions,
  infoFlow,
  infoFlowFigure,
  relativeChange,
} from './experiments/info-flow.js'
export { summary } from './experiments/summary.js'
export { type Trace, type TraceOptions, trace } from './experiments/trace.js'
export { curveGridSpec } from './figures/curve-grid.js'
export type { CurveGrid } from './figures/curve-grid-data.js'
export { curvesSpec } from './figures/curves.js'
export type { CurvesFigure, HeatmapFigure } from './figures/data.js'
export { decayBoxesSpec, decayHistogramsSpec } from './figures/decay.js'
export { heatmapSpec } from './figures/heatmap.js'
export { heatmapGridSpec } from './figures/heatmap-grid.js'
export type { HeatmapGrid } from './figures/heatmap-grid-data.js'
export type { Look } from './figures/look.js'
export type { Prediction } from './knockout/head.js'
export { defaultWindow, type Knockout, windowLayers, windowStarts } from './knockout/knockout.js'
export { downloadModel, type LoadOptions, loadModel, type OpenOptions } from './load.js'
export {
  type KnockoutPrompt,
  type KnockoutResult,
  Model,
  type Progress,
  type SweepSettings,
} from './model.js'
export { FEATURE_CATEGORIES, type FeatureCategory } from './models/architecture.js'
export { KNOWN_MODELS, type KnownModel, knownNeeds, type ModelNeeds } from './models/known.js'
export { type Fact, type PreparedPrompt, parseFacts, preparePrompt } from './prompts/facts.js'
export { ROLES, type Role, rolePositions, subjectPositions } from './prompts/roles.js'
export { type Token, Tokenizer } from './prompts/tokenizer.js'
export {
  bootstrapInterval,
  interval,
  type MeanInterval,
  meanInterval,
  pairedDifference,
} from './results/statistics.js'
export { nodeRuntime } from './runtime/node.js'
export { type DeviceOptions, openRuntime } from './runtime/open-runtime.js'
export type { Runtime } from './runtime/runtime.js'
