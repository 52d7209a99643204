/** A run folder that was dropped on the page: its Parquet parts are read by hyparquet, without DuckDB. */
import fc from 'fast-check'
import { PART_PREFIX, type TableName } from '../../../src/results/rows.js'
import type { Reader } from '../harness.js'
import { damagedBytes, damagedJson, utf8 } from '../mutate.js'
import { drop } from './page-json.js'
import { parquetFiles } from './parquet-seeds.js'
import { DATASET, MODEL, RUN } from './run-json.js'
import { QUERIES } from './run-parts.js'

const TABLES = ['knockouts', 'evaluations', 'prompt_sets'] as const satisfies readonly TableName[]

/** What hyparquet reads by itself. */
const PARTS = new Map(
  await Promise.all(
    TABLES.map(
      async (table) =>
        [
          table,
          await parquetFiles(
            [QUERIES[table], `${QUERIES[table]} LIMIT 1`],
            "COMPRESSION snappy, PARQUET_VERSION 'V2'",
          ),
        ] as const,
    ),
  ),
)

const parts = TABLES.map((table) =>
  fc.record({ name: fc.constant(`${PART_PREFIX[table]}a.parquet`), bytes: damagedBytes(PARTS.get(table)!) }),
)
const about = ['run.json', 'model-m.json'].map((name, i) =>
  fc.record({ name: fc.constant(name), bytes: damagedJson([RUN, MODEL], [], i).map(utf8) }),
)

const WHOLE: ReadonlyMap<string, Uint8Array> = new Map([
  ['run.json', utf8(JSON.stringify(RUN))],
  ['model-m.json', utf8(JSON.stringify(MODEL))],
  ['data-d.json', utf8(JSON.stringify(DATASET))],
  ...TABLES.map((table) => [`${PART_PREFIX[table]}a.parquet`, PARTS.get(table)![0]!] as const),
])

export const reader: Reader<{ readonly name: string; readonly bytes: Uint8Array }> = {
  name: 'page-run',
  inputs: fc.oneof(...parts.map((arbitrary) => ({ weight: 3, arbitrary })), ...about),
  read({ name, bytes }) {
    const files = new Map([...WHOLE, [name, bytes]])
    return drop([...files].map(([file, content]) => ({ path: `run/${file}`, bytes: content })))
  },
}
