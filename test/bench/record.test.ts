import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { benchmarkArguments, readRecord, writeRecord } from '../../bench/record.js'
import { inputError } from '../prompts/helpers.js'

const dir = mkdtempSync(join(tmpdir(), 'factflow-record-'))
afterAll(() => rmSync(dir, { recursive: true }))

const GPU = {
  ...{ model: 'mamba-2.8b', prompts: 10, seconds: 0.8, neededFlops: 1e13, neededBytes: 1e10 },
  ...{ device: 'webgpu', arithmetic: 'float32', largestDifference: 9e-5 },
}

test('a record is read as it was written, with where and when it was measured', () => {
  const file = join(dir, 'gpu.json')
  const roofs = [{ name: 'GPU', flopsPerSecond: 5e13, bytesPerSecond: 4e12 }]
  const written = writeRecord(file, 'gpu', { parameters: { window: 9 }, roofs, rows: [GPU], gpu: 'a card' })
  expect(readRecord(file, 'gpu')).toEqual(written)
  expect(written).toMatchObject({ benchmark: 'gpu', parameters: { window: 9 }, roofs, rows: [GPU] })
  expect(written.machine).toMatchObject({ gpu: 'a card', cpu: expect.stringMatching(/./) })
  expect(written.versions).toMatchObject({ node: process.versions.node })
})

test('what is no record of the benchmark is refused, with the place', () => {
  const file = join(dir, 'other.json')
  const record = writeRecord(file, 'gpu', { parameters: {}, roofs: [], rows: [GPU] })
  expect(inputError(() => readRecord(file, 'sweep'))).toMatch(
    /a record of the benchmark sweep, .*benchmark: .*--json/,
  )
  writeFileSync(file, JSON.stringify({ ...record, rows: [{ ...GPU, seconds: 0 }] }))
  expect(inputError(() => readRecord(file, 'gpu'))).toContain('rows.0.seconds')
  writeFileSync(file, JSON.stringify({ ...record, rows: [] }))
  expect(inputError(() => readRecord(file, 'gpu'))).toContain('rows: ')
  writeFileSync(file, '{')
  expect(inputError(() => readRecord(file, 'gpu'))).toMatch(/must be a record/)
})

test('--json is taken out of the arguments wherever it stands', () => {
  expect(benchmarkArguments(['gpt2', '--json', 'a.json', '7'])).toEqual({
    json: 'a.json',
    rest: ['gpt2', '7'],
  })
  expect(benchmarkArguments([])).toEqual({ json: undefined, rest: [] })
  expect(() => benchmarkArguments(['--jason', 'a.json'])).toThrow()
})
