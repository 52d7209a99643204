/** Parquet files that DuckDB writes, small ones, of several compressions and encodings. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Database, literal } from '../../../src/results/database.js'
import { newFolder } from '../harness.js'

const PLAIN = ['COMPRESSION snappy', 'COMPRESSION uncompressed']

/** DuckDB 1.5 fails to write a few rows with lists in the newer encodings. */
function waysFor(query: string, newer: string): string[] {
  return query.includes('[') ? PLAIN : [...PLAIN, newer]
}

/** A file for each query and each way to write it. @param newer a way to write pages of the second version */
export async function parquetFiles(
  queries: readonly string[],
  newer = "COMPRESSION zstd, PARQUET_VERSION 'V2'",
): Promise<Uint8Array[]> {
  const folder = newFolder('seeds')
  const database = await Database.open({ threads: 1 })
  try {
    const files: Uint8Array[] = []
    for (const query of queries) {
      for (const option of waysFor(query, newer)) {
        const file = join(folder, `${files.length}.parquet`)
        await database.run(`COPY (${query}) TO ${literal(file)} (FORMAT parquet, ${option})`)
        files.push(new Uint8Array(readFileSync(file)))
      }
    }
    return files
  } finally {
    database.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
