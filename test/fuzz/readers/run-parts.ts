/** A run folder with Parquet parts, opened by `Results` and asked what commands, figures and the app ask. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Results } from '../../../src/results/results.js'
import { PART_PREFIX, TABLE_NAMES, type TableName } from '../../../src/results/rows.js'
import { storedCuts, studyCurves } from '../../../src/studies/study-query.js'
import { newFolder, type Reader } from '../harness.js'
import { damagedBytes, damagedJson } from '../mutate.js'
import { parquetFiles } from './parquet-seeds.js'
import { DATASET, MODEL, RUN } from './run-json.js'

/** A few rows of each table. */
export const QUERIES: Readonly<Record<TableName, string>> = {
  knockouts: `SELECT 'm' AS model, 'd' AS dataset, p AS prompt_id, i::INTEGER AS first_layer, 2::INTEGER AS "window",
    'subject' AS source, NULL::INTEGER AS position, 'last' AS target, 'all' AS features, 0.5::DOUBLE AS base_prob,
    (0.1 * i)::DOUBLE AS prob, 1::INTEGER AS rank, 7::INTEGER AS top_token, i = 0 AS hit,
    (-80 + 20 * i)::DOUBLE AS relative_change FROM range(3) r(i), (VALUES ('a'), ('b')) t(p)`,
  evaluations: `SELECT 'm' AS model, 'd' AS dataset, p AS prompt_id, 'Paris is in' AS prompt, 'Paris' AS subject,
    ' France' AS answer, 'capital' AS relation, NULL::VARCHAR AS split, ['Paris', ' is', ' in'] AS tokens,
    [0::INTEGER] AS subject_tokens, [' France'] AS answer_tokens, 0.5::DOUBLE AS prob, 1::INTEGER AS rank,
    true AS hit, [{id: 1::INTEGER, text: ' France', prob: 0.5::DOUBLE}] AS top, NULL::VARCHAR AS continuation
    FROM (VALUES ('a'), ('b')) t(p)`,
  features: `SELECT 'm' AS model, i::INTEGER AS layer, 0::INTEGER AS feature, 1.5::DOUBLE AS norm FROM range(2) t(i)`,
  prompt_sets: `SELECT 'correct' AS prompt_set, 'm' AS model, 'd' AS dataset, p AS prompt_id
    FROM (VALUES ('a'), ('b')) t(p)`,
  unusable: `SELECT 'm' AS model, 'd' AS dataset, 'c' AS prompt_id, 'd.jsonl:3' AS place, 'no answer' AS reason,
    'answer must be' AS detail`,
}

export const PARTS: ReadonlyMap<TableName, readonly Uint8Array[]> = new Map(
  await Promise.all(TABLE_NAMES.map(async (table) => [table, await parquetFiles([QUERIES[table]])] as const)),
)

const folder = newFolder('run')
const run = join(folder, 'run')
const part = (table: TableName): string => join(run, `${PART_PREFIX[table]}a.parquet`)

function putWhole(): void {
  mkdirSync(run, { recursive: true })
  writeFileSync(join(run, 'run.json'), JSON.stringify(RUN))
  writeFileSync(join(run, 'model-m.json'), JSON.stringify(MODEL))
  writeFileSync(join(run, 'data-d.json'), JSON.stringify(DATASET))
  for (const table of TABLE_NAMES) writeFileSync(part(table), PARTS.get(table)![0]!)
}

const damagedParts = TABLE_NAMES.map((table) =>
  fc.record({ table: fc.constant(table as TableName | 'model'), bytes: damagedBytes(PARTS.get(table)!) }),
)
const damagedModel = damagedJson([MODEL]).map((text) => ({
  table: 'model' as const,
  bytes: new TextEncoder().encode(text),
}))

/** One file of a run is damaged, the others are whole. */
export const reader: Reader<{ readonly table: TableName | 'model'; readonly bytes: Uint8Array }> = {
  name: 'run-parts',
  folder,
  mb: 256,
  inputs: fc.oneof(...damagedParts, damagedModel),
  open: async () => putWhole(),
  close: async () => rmSync(folder, { recursive: true, force: true }),
  async read({ table, bytes }) {
    const file = table === 'model' ? join(run, 'model-m.json') : part(table)
    writeFileSync(file, bytes)
    try {
      const results = await Results.open([run])
      try {
        for (const name of TABLE_NAMES) await results.rows(`SELECT * FROM ${name} ORDER BY ALL`)
        await results.rows('SELECT * FROM models JOIN main_windows USING (run, model)')
        await storedCuts(results)
        await studyCurves(results, { study: 'run', known: 'known' })
      } finally {
        results.close()
      }
    } finally {
      writeFileSync(file, table === 'model' ? JSON.stringify(MODEL) : PARTS.get(table)![0]!)
    }
  },
}
