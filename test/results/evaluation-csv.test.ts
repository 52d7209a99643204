import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { InputError } from '../../src/errors.js'
import type { Evaluation } from '../../src/experiments/evaluate.js'
import type { Fact } from '../../src/prompts/facts.js'
import { writeEvaluations } from '../../src/results/evaluation-csv.js'
import { tinyTokenizer } from '../prompts/helpers.js'

const folder = mkdtempSync(join(tmpdir(), 'factflow-csv-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const tokenizer = tinyTokenizer()
const idsOf = (text: string): number[] => tokenizer.encode(text).map(({ id }) => id)
const [paris] = idsOf(' Paris')
const [rome] = idsOf(' Rome')

function evaluation(fact: Partial<Fact>, rest: Partial<Evaluation> = {}): Evaluation {
  const whole = { id: 'a', prompt: 'France: capital', subject: 'France', answer: ' Paris', ...fact }
  return {
    prompt: { fact: whole, tokens: [], ids: [1], subject: [0], answer: paris, answerIds: [paris] },
    base: { logProb: Math.log(0.25), prob: 0.25, rank: 2, top: rome },
    correct: false,
    ...rest,
  }
}

async function written(evaluations: readonly Evaluation[]): Promise<string> {
  const file = join(folder, 'e.csv')
  await writeEvaluations(file, evaluations, tokenizer)
  return readFileSync(file, 'utf8')
}

const HEADER =
  'id,prompt,subject,relation,answer,answer_tokens,prob,rank,correct,top_token,top,continuation\n'

describe('evaluations as CSV', () => {
  it('have a header and a line each; what nobody asked for is empty', async () => {
    expect(await written([])).toBe(HEADER)
    expect(
      await written([evaluation({}), evaluation({ id: 'b', relation: 'capital' }, { correct: true })]),
    ).toBe(
      `${HEADER}a,France: capital,France,, Paris,"["" Paris""]",0.25,2,false, Rome,[],\n` +
        `b,France: capital,France,capital, Paris,"["" Paris""]",0.25,2,true, Rome,[],\n`,
    )
  })

  it('have the most probable tokens and the continuation; no text is lost, a text may be empty', async () => {
    const topK = [
      { id: rome, prob: 0.5 },
      { id: paris, prob: 1.5e-9 },
    ]
    const base = { logProb: Math.log(0.25), prob: 1 / 3, rank: 1, top: rome, topK }
    const one = evaluation({}, { base, continuation: [rome, ...idsOf(', "é"\n'), 99_999] })
    const top = `[{"id":${rome},"text":" Rome","prob":0.5},{"id":${paris},"text":" Paris","prob":1.5e-9}]`
    expect(await written([one, evaluation({}, { continuation: [99_999] })])).toBe(
      `${HEADER}a,France: capital,France,, Paris,"["" Paris""]",0.3333333333333333,1,false, Rome,"${top.replaceAll('"', '""')}"," Rome, ""é""\n"\n` +
        'a,France: capital,France,, Paris,"["" Paris""]",0.25,2,false, Rome,[],""\n',
    )
  })

  it.each([
    ['a,b', '"a,b"'],
    ['say "x"', '"say ""x"""'],
    ['two\nlines', '"two\nlines"'],
    ['two\r\nlines', '"two\r\nlines"'],
    [' spaces ', ' spaces '],
    ["it's; a\ttab", "it's; a\ttab"],
    ['NULL', 'NULL'],
    ['Žižkov 東京 🎉', 'Žižkov 東京 🎉'],
    ['nul \0 byte', 'nul \0 byte'],
  ])('quote %j as %j', async (text, quoted) => {
    expect((await written([evaluation({ prompt: text, relation: text })])).slice(HEADER.length)).toBe(
      `a,${quoted},France,${quoted}, Paris,"["" Paris""]",0.25,2,false, Rome,[],\n`,
    )
  })

  it('are all there and in order, however many', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => evaluation({ id: `${i}` }, { correct: i % 3 === 0 }))
    const lines = (await written(many)).trimEnd().split('\n').slice(1)
    expect(lines.map((line) => line.split(',')[0])).toEqual(many.map(({ prompt }) => prompt.fact.id))
    expect(lines.filter((line) => line.includes(',true,'))).toHaveLength(1667)
  })

  it('appear whole or not at all', async () => {
    await expect(writeEvaluations(join(folder, 'none', 'e.csv'), [], tokenizer)).rejects.toThrow(InputError)
    await written([evaluation({})])
    expect(readdirSync(folder)).toEqual(['e.csv'])
  })
})
