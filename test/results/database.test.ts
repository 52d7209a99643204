import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BIGINT, BOOLEAN, DOUBLE, INTEGER, LIST, STRUCT, VARCHAR } from '@duckdb/node-api'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import { writeCsv } from '../../src/results/csv.js'
import { Database, identifier, literal } from '../../src/results/database.js'

describe('a database', () => {
  let database: Database
  beforeEach(async () => {
    database = await Database.open({ threads: 1 })
  })
  afterEach(() => database.close())

  it('gives whole numbers of any width as numbers where they are exact', async () => {
    const [row] = await database.rows(
      'SELECT 1::BIGINT AS a, [2]::HUGEINT[] AS b, 9007199254740993::BIGINT AS c, 0.5::FLOAT AS d, NULL AS e',
    )
    expect(row).toEqual({ a: 1, b: [2], c: 9007199254740993n, d: 0.5, e: null })
  })

  it('takes rows of every kind of value, many of them, and leaves out what it has no column for', async () => {
    const types = {
      n: INTEGER,
      x: DOUBLE,
      t: VARCHAR,
      b: BOOLEAN,
      l: LIST(INTEGER),
      s: LIST(STRUCT({ id: INTEGER, text: VARCHAR })),
      o: BIGINT,
    }
    const rows = Array.from({ length: 5000 }, (_, n) => ({
      n,
      x: n / 3,
      t: `it's "${n}"\n`,
      b: n % 2 === 0,
      l: [n, n + 1],
      s: n % 3 === 0 ? [] : [{ id: n, text: '' }],
      o: null,
      extra: 1,
    }))
    await database.fill('some table', types, rows)
    const back = await database.rows(`FROM ${identifier('some table')} ORDER BY n`)
    expect(back).toEqual(rows.map(({ extra: _, ...row }) => row))
    await database.fill('some table', { n: INTEGER }, [{ n: 1 }, {}])
    expect(await database.rows(`FROM ${identifier('some table')}`)).toEqual([{ n: 1 }, { n: null }])
  })

  it('quotes texts and names', async () => {
    const odd = `a'b"c;--`
    const [row] = await database.rows(`SELECT ${literal(odd)} AS ${identifier(odd)}`)
    expect(row).toEqual({ [odd]: odd })
  })

  it('fetches nothing', async () => {
    await expect(database.rows("FROM 'https://localhost:1/x.parquet'")).rejects.toThrow(/httpfs|extension/i)
  })
})

describe('CSV', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'factflow-csv-'))
  })
  afterEach(() => rm(dir, { recursive: true, force: true }))

  it('is quoted where it must be, and empty where there is nothing', async () => {
    const file = join(dir, 'a.csv')
    await writeCsv(file, [
      { text: 'a, "b"\nc', number: null, truth: true },
      { text: null, number: 0.1, truth: false },
    ])
    expect(await readFile(file, 'utf8')).toBe('text,number,truth\n"a, ""b""\nc",,true\n,0.1,false\n')
  })

  it('keeps numbers to the last bit', async () => {
    const file = join(dir, 'a.csv')
    const numbers = [1 / 3, 1e-300, -0.1 - 0.2, 123456789.123456]
    await writeCsv(
      file,
      numbers.map((x) => ({ x })),
    )
    expect((await readFile(file, 'utf8')).trim().split('\n').slice(1).map(Number)).toEqual(numbers)
  })

  it('that cannot be written is an error of input', async () => {
    await expect(writeCsv(join(dir, 'no', 'a.csv'), [{ a: 1 }])).rejects.toThrow(InputError)
  })
})
