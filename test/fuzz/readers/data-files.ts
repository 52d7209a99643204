/** Data sets of CSV, TSV and Parquet, which DuckDB reads: from a file to facts. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { readDataFile } from '../../../src/datasets/files.js'
import { readRecords } from '../../../src/datasets/records.js'
import { newFolder, type Reader } from '../harness.js'
import { asBytes, damagedBytes, damagedText } from '../mutate.js'
import { parquetFiles } from './parquet-seeds.js'

const CSV = [
  'id,prompt,subject,answer,relation\na,Paris is in,Paris, France,r\nb,"Rome, it is in",Rome," Italy",r\n',
  'prompt,subject,answer\r\n"a ""quoted"" Paris",Paris,x\r\n',
  'case_id,prompt,subject,target_true,relation_id\n1,{} is in,Paris, France,P17\n2,{} is in,Oslo, Norway,P17\n',
]
const TSV = CSV.map((text) => text.replaceAll(',', '\t'))
const PIECES = ['"', '""', ',', '\t', '\n', '\r\n', '"\n', ',,', '#', "'", '\\', 'id', 'ID', 'prompt', '\0']

const PARQUET = await parquetFiles([
  `SELECT 'a' AS id, 'Paris is in' AS prompt, 'Paris' AS subject, ' France' AS answer, 0 AS "subjectStart"
   UNION ALL SELECT 'b', 'Rome is in', 'Rome', ' Italy', NULL`,
  `SELECT i AS case_id, {prompt: '{} is in', subject: 'Paris', relation_id: 'P17', target_true: {str: 'France'}}
     AS requested_rewrite, [i, NULL] AS list, i::DOUBLE AS x, i % 2 = 0 AS yes, DATE '2020-01-01' AS day
   FROM range(3) t(i)`,
])

const folder = newFolder('data')

function fileReader(
  name: string,
  inputs: fc.Arbitrary<Uint8Array>,
  file: string,
  mb?: number,
): Reader<Uint8Array> {
  const path = join(folder, file)
  return {
    name,
    folder,
    inputs,
    ...(mb !== undefined && { mb }),
    open: async () => void mkdirSync(folder, { recursive: true }),
    close: async () => rmSync(folder, { recursive: true, force: true }),
    async read(bytes) {
      writeFileSync(path, bytes)
      readRecords(await readDataFile(path, file), file)
    },
  }
}

export const csv = fileReader(
  'csv',
  fc.oneof(
    { weight: 3, arbitrary: asBytes(damagedText(CSV, PIECES)) },
    damagedBytes(CSV.map((text) => new TextEncoder().encode(text))),
  ),
  'data.csv',
)
export const tsv = fileReader('tsv', asBytes(damagedText(TSV, PIECES)), 'data.tsv')
/** Without an ending: what it is, is seen from its beginning. */
export const untold = fileReader(
  'untold',
  asBytes(damagedText([...CSV, ...TSV, '[{"id":1}]', '{"id":1}\n', 'PAR1'], PIECES)),
  'data',
)
export const parquet = fileReader('parquet', damagedBytes(PARQUET), 'data.parquet', 256)
