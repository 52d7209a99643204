/** The tables of a run folder as DuckDB and Parquet have them: columns and types, in order. */
import { BOOLEAN, DOUBLE, type DuckDBType, INTEGER, LIST, STRUCT, VARCHAR } from '@duckdb/node-api'
import type { TableName, Tables } from './rows.js'

type Columns<Row> = { readonly [name in keyof Row]-?: DuckDBType }

const TOP = STRUCT({ id: INTEGER, text: VARCHAR, prob: DOUBLE })

export const TABLES: { readonly [name in TableName]: Columns<Tables[name]> } = {
  knockouts: {
    model: VARCHAR,
    dataset: VARCHAR,
    prompt_id: VARCHAR,
    first_layer: INTEGER,
    window: INTEGER,
    source: VARCHAR,
    position: INTEGER,
    target: VARCHAR,
    features: VARCHAR,
    base_prob: DOUBLE,
    prob: DOUBLE,
    rank: INTEGER,
    top_token: INTEGER,
    hit: BOOLEAN,
    relative_change: DOUBLE,
  },
  evaluations: {
    model: VARCHAR,
    dataset: VARCHAR,
    prompt_id: VARCHAR,
    prompt: VARCHAR,
    subject: VARCHAR,
    answer: VARCHAR,
    relation: VARCHAR,
    split: VARCHAR,
    tokens: LIST(VARCHAR),
    subject_tokens: LIST(INTEGER),
    answer_tokens: LIST(VARCHAR),
    prob: DOUBLE,
    rank: INTEGER,
    hit: BOOLEAN,
    top: LIST(TOP),
    continuation: VARCHAR,
  },
  features: { model: VARCHAR, layer: INTEGER, feature: INTEGER, norm: DOUBLE },
  prompt_sets: { prompt_set: VARCHAR, model: VARCHAR, dataset: VARCHAR, prompt_id: VARCHAR },
  unusable: {
    model: VARCHAR,
    dataset: VARCHAR,
    prompt_id: VARCHAR,
    place: VARCHAR,
    reason: VARCHAR,
    detail: VARCHAR,
  },
}
