/** factflow: see where a language model's facts flow. The public library. */
export {
  bootstrapInterval,
  interval,
  type MeanInterval,
  meanInterval,
  pairedDifference,
} from './results/statistics.js'
