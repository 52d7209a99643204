/** Data sets of JSON Lines and JSON: from the text of a file to facts. */
import fc from 'fast-check'
import { decodeText } from '../../../src/checkpoints/json.js'
import { parseJsonArray, parseJsonLines } from '../../../src/datasets/parse.js'
import { factProblem, readRecords } from '../../../src/datasets/records.js'
import type { Reader } from '../harness.js'
import { asBytes, damagedJson, damagedText } from '../mutate.js'

/** A record of each layout. */
export const RECORDS = [
  {
    id: 'a',
    prompt: 'Paris is in',
    subject: 'Paris',
    answer: ' France',
    relation: 'r',
    phrasing: 0,
    subjectStart: 0,
  },
  {
    case_id: 3,
    requested_rewrite: {
      prompt: '{} is in',
      subject: 'Paris',
      relation_id: 'P17',
      target_true: { str: 'France', id: 'Q142' },
    },
  },
  {
    ...{ relation: '{} is in', relation_prefix: '', relation_suffix: ' is in', prompt: 'Paris is in' },
    ...{ relation_id: 'P17', subject: 'Paris', target_true: ' France' },
  },
  {
    known_id: 1,
    subject: 'Paris',
    attribute: 'France',
    template: '{} is in',
    prompt: 'Paris is in',
    relation_id: 'P17',
  },
  { case_id: 1, prompt: '{} is in', subject: 'Paris', target_true: ' France', relation_id: 'P17' },
]

function facts(records: Parameters<typeof readRecords>[0]): void {
  const { facts, unusable } = readRecords(records, 'data')
  if (facts.length + unusable.length !== records.length) throw new Error('a record is neither usable nor not')
  for (const fact of facts) {
    const problem = factProblem(fact)
    if (problem) throw new Error(`a fact that was read cannot be used: ${problem.detail}`)
    if (!fact.prompt.includes(fact.subject)) throw new Error('a subject is not in its prompt')
  }
}

const line = damagedJson(RECORDS).map((text) => text.replaceAll('\n', ' '))

export const jsonl: Reader<Uint8Array> = {
  name: 'jsonl',
  inputs: asBytes(
    fc.oneof(
      fc
        .array(
          fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...RECORDS).map((r) => JSON.stringify(r)) }, line),
          {
            minLength: 1,
            maxLength: 4,
          },
        )
        .map((lines) => lines.join('\n')),
      damagedText(
        [RECORDS.map((record) => JSON.stringify(record)).join('\n')],
        ['"prompt":', '"subject":', '{"id":'],
      ),
    ),
  ),
  read: (bytes) => facts(parseJsonLines(decodeText(bytes, 'data.jsonl'), 'data.jsonl')),
}

export const json: Reader<Uint8Array> = {
  name: 'json',
  inputs: asBytes(damagedJson([RECORDS, ...RECORDS.map((record) => [record, record])], RECORDS)),
  read: (bytes) => facts(parseJsonArray(decodeText(bytes, 'data.json'), 'data.json')),
}
