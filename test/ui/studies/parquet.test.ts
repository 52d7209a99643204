/** Parquet files that DuckDB writes, in all its encodings, read as the page does. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Database, literal } from '../../../src/results/database.js'
import { readParquet } from '../../../src/ui/studies/parquet.js'

const ROWS = 130_000
const QUERY = `SELECT 'd' || (i % 50000) AS many, CASE WHEN i % 7 <> 0 THEN 'm' || (i % 3) END AS few, i::INTEGER AS i,
  CASE WHEN i % 5 <> 0 THEN (i % 9)::INTEGER END AS some, (i / 3)::DOUBLE AS x, 0.5::DOUBLE AS same,
  i % 2 = 0 AS even, CASE WHEN i % 3 = 0 THEN i % 2 = 0 END AS maybe, NULL::INTEGER AS none FROM range(${ROWS}) r(i)`
const KINDS = {
  many: 'text',
  few: 'text?',
  i: 'integer',
  some: 'integer?',
  x: 'number',
  same: 'number',
  even: 'boolean',
  maybe: 'boolean?',
  none: 'integer?',
} as const

const folder = mkdtempSync(join(tmpdir(), 'factflow-page-parquet-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function written(options: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = join(folder, 'a.parquet')
  const database = await Database.open()
  try {
    await database.run(`COPY (${QUERY}) TO ${literal(file)} (FORMAT parquet, ${options})`)
  } finally {
    database.close()
  }
  return new Uint8Array(readFileSync(file))
}

describe('a file of many rows', () => {
  it.each([
    'COMPRESSION snappy',
    'COMPRESSION uncompressed',
    "COMPRESSION snappy, PARQUET_VERSION 'V2'",
    'COMPRESSION snappy, ROW_GROUP_SIZE 1000000',
  ])('%s: is read as it was written', async (options) => {
    const bytes = await written(options)
    let wrong = 0
    const n = await readParquet('a.parquet', new Blob([bytes]), KINDS, (columns, rows, before) => {
      const { many, few, i: index, some, x, same, even, maybe, none } = columns
      for (let row = 0; row < rows; row++) {
        const i = before + row
        const equal =
          many[row] === `d${i % 50000}` &&
          (few[row] ?? null) === (i % 7 === 0 ? null : `m${i % 3}`) &&
          index[row] === i &&
          (some[row] ?? null) === (i % 5 === 0 ? null : i % 9) &&
          x[row] === i / 3 &&
          same[row] === 0.5 &&
          even[row] === (i % 2 === 0) &&
          (maybe[row] ?? null) === (i % 3 === 0 ? i % 2 === 0 : null) &&
          (none[row] ?? null) === null
        if (!equal) wrong++
      }
    })
    expect([n, wrong]).toEqual([ROWS, 0])
  })
})
