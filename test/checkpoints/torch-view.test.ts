/** Strided views against their definition: value (i, j, ...) lies at offset + i * stride[0] + j * stride[1] + ... */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  gather,
  isContiguous,
  rowsOf,
  type StridedView,
  spanOf,
  valueCount,
} from '../../src/checkpoints/torch-view.js'

/** Places in the storage of all values, row-major. */
function places({ offset, shape, stride }: StridedView): number[] {
  return shape.reduce(
    (before, size, dim) =>
      before.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * stride[dim])),
    [offset],
  )
}

const anyView = fc
  .array(fc.record({ size: fc.nat({ max: 4 }), stride: fc.nat({ max: 9 }) }), { maxLength: 4 })
  .chain((dims) => fc.record({ dims: fc.constant(dims), offset: fc.nat({ max: 5 }), dense: fc.boolean() }))
  .map(({ dims, offset, dense }): StridedView => {
    const shape = dims.map(({ size }) => size)
    // Dense ones are contiguous: each stride is the number of values of the dimensions after it.
    const stride = dims.map(({ stride }, i) => (dense ? valueCount(shape.slice(i + 1)) : stride))
    return { offset, shape, stride }
  })

test('span, contiguity and order of any view', () => {
  let strided = 0
  const property = fc.property(anyView, (view) => {
    const expected = places(view)
    expect(valueCount(view.shape)).toBe(expected.length)
    expect(spanOf(view)).toBe(expected.length === 0 ? 0 : Math.max(...expected) - view.offset + 1)
    expect(isContiguous(view)).toBe(expected.every((place, i) => place === view.offset + i))
    if (isContiguous(view)) return
    strided++
    const values = Float32Array.from({ length: spanOf(view) }, (_, i) => view.offset + i)
    expect([...gather(values, view)]).toEqual(expected)
  })
  fc.assert(property, { numRuns: 1000 })
  expect(strided).toBeGreaterThan(100)
})

test('rows of any view are its values in order', () => {
  const withRows = anyView.filter(({ shape }) => shape.length > 0)
  const property = fc.property(withRows, fc.nat(), fc.nat(), (view, a, b) => {
    const first = a % (view.shape[0] + 1)
    const count = b % (view.shape[0] - first + 1)
    const row = valueCount(view.shape.slice(1))
    expect(places(rowsOf(view, first, count))).toEqual(places(view).slice(first * row, (first + count) * row))
  })
  fc.assert(property, { numRuns: 1000 })
})
