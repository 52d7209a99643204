import quantile from '@stdlib/stats-base-dists-t-quantile'
import { InputError, show } from '../errors.js'

/** A sample mean with its confidence interval. All fields but `n` are in the units of the values. */
export interface MeanInterval {
  /** Sample mean. */
  mean: number
  /** Lower end of the confidence interval of the mean; NaN for one value, whose spread is unknown. */
  low: number
  /** Upper end of the confidence interval of the mean; NaN for one value. */
  high: number
  /** Number of values. */
  n: number
  /** Sample standard deviation, divisor n - 1; NaN for one value. */
  sd: number
}

/**
 * The mean of a sample and the two-sided Student t confidence interval of that mean:
 * `mean -+ t(1 - (1 - level) / 2; n - 1) * sd / sqrt(n)`, the interval of SciPy's
 * `stats.t.interval(level, n - 1, loc=mean, scale=sem)`.
 *
 * As in SciPy the interval of one value is NaN. That of values that are all equal is the mean itself (SciPy: NaN).
 *
 * Mean and sd are the corrected two-pass ones (Chan, Golub and LeVeque 1983), so a large common offset costs no
 * accuracy.
 *
 * @param values the sample, at least one finite number, in any unit
 * @param level confidence level, between 0 and 1, both excluded
 * @throws InputError on an empty sample, a value that is not finite, or a level outside (0, 1)
 */
export function meanInterval(values: readonly number[], level = 0.95): MeanInterval {
  const n = values.length
  if (n === 0)
    throw new InputError('meanInterval: values must not be empty, got []; give at least one number')
  if (!(level > 0 && level < 1)) {
    throw new InputError(`meanInterval: level must lie between 0 and 1, got ${show(level)}; try 0.95`)
  }
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    const got = String(values[bad])
    throw new InputError(`meanInterval: values[${bad}] must be a finite number, got ${got}; leave it out`)
  }

  const rough = values.reduce((sum, value) => sum + value, 0) / n
  let deviations = 0
  let squares = 0
  for (const value of values) {
    const deviation = value - rough
    deviations += deviation
    squares += deviation * deviation
  }
  const mean = rough + deviations / n
  if (n === 1) return { mean, low: Number.NaN, high: Number.NaN, n, sd: Number.NaN }

  const sd = Math.sqrt(Math.max(0, squares - (deviations * deviations) / n) / (n - 1))
  const half = (quantile(0.5 + level / 2, n - 1) * sd) / Math.sqrt(n)
  return { mean, low: mean - half, high: mean + half, n, sd }
}
