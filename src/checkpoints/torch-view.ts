/** Where a tensor's values lie in its storage, as PyTorch says it. All numbers count values, not bytes. */
export interface StridedView {
  /** The first value's place in the storage. */
  readonly offset: number
  readonly shape: readonly number[]
  /** How far apart neighbours along each dimension are. */
  readonly stride: readonly number[]
}

/** How many values the view has. */
export function valueCount(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

/** How many values of the storage lie from the view's first to its last one. */
export function spanOf({ shape, stride }: StridedView): number {
  if (shape.includes(0)) return 0
  return shape.reduce((span, size, i) => span + (size - 1) * stride[i], 1)
}

/** Whether the values lie one after the other in row-major order. */
export function isContiguous({ shape, stride }: StridedView): boolean {
  if (shape.includes(0)) return true
  let expected = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 1) continue
    if (stride[i] !== expected) return false
    expected *= shape[i]
  }
  return true
}

/** Rows `first` to `first + count - 1` along the first dimension. */
export function rowsOf(view: StridedView, first: number, count: number): StridedView {
  const { offset, shape, stride } = view
  return { offset: offset + first * stride[0], shape: [count, ...shape.slice(1)], stride }
}

/**
 * The values of a view that is not contiguous, row-major.
 *
 * @param values of the storage, `spanOf(view)` from the view's first one on.
 */
export function gather(values: Float32Array, { shape, stride }: StridedView): Float32Array {
  const out = new Float32Array(valueCount(shape))
  const last = shape.length - 1
  const index = shape.map(() => 0)
  for (let to = 0, row = 0; to < out.length; ) {
    for (let i = 0; i < shape[last]; i++) out[to++] = values[row + i * stride[last]]
    // The next row: the last of the other dimensions that has not ended goes one on, those after it start again.
    for (let dim = last - 1; dim >= 0; dim--) {
      row += stride[dim]
      if (++index[dim] < shape[dim]) break
      row -= stride[dim] * shape[dim]
      index[dim] = 0
    }
  }
  return out
}
