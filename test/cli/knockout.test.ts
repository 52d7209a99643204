/** The raw interface, `factflow knockout`: JSON Lines in, JSON Lines out. */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { factflow, RANDOM_MODEL, refuse, start, temporaryFolder } from './command.js'

/** Absolute, of probabilities on the tiny models: float32 on the CPU against the authors' code, also float32. */
const PARITY = 5e-6
/** The same number from batches of other sizes: float32 sums in another order. */
const SAME = 1e-7

const ARGS = ['knockout', '--model', RANDOM_MODEL, '--threads', '1']
const folder = temporaryFolder()

interface Prediction {
  readonly prob?: number
  readonly rank?: number
  readonly top: number
  readonly probs?: number[]
}

interface Answer {
  readonly id: unknown
  readonly base: Prediction
  readonly knockouts: Prediction[]
  readonly error?: string
}

function answers(stdout: string): Answer[] {
  expect(stdout.endsWith('\n')).toBe(true)
  return stdout
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as Answer)
}

describe.concurrent('factflow knockout', () => {
  test("answers all of the oracle's knockouts within 5e-6", async () => {
    const { cases } = JSON.parse(readFileSync(join(RANDOM_MODEL, 'cases.json'), 'utf8')) as {
      cases: {
        tokens: number[]
        baseProbs: number[]
        knockouts: {
          layers: number[]
          sources: number[]
          targets: number[]
          features: string
          probs: number[]
        }[]
      }[]
    }
    const lines = cases.map(({ tokens, knockouts }, id) => ({
      id,
      tokens,
      output: 'probs',
      knockouts: knockouts.map(({ layers, sources, targets, features }) => ({
        layers,
        sources,
        targets,
        features,
      })),
    }))
    const { code, stdout, stderr } = await factflow(ARGS, {
      input: lines.map((line) => JSON.stringify(line)).join('\n'),
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const got = answers(stdout)
    expect(got.map(({ id }) => id)).toEqual(cases.map((_, i) => i))
    let compared = 0
    cases.forEach((known, i) => {
      const { base, knockouts } = got[i]!
      const expected = [known.baseProbs, ...known.knockouts.map(({ probs }) => probs)]
      for (const [k, prediction] of [base, ...knockouts].entries()) {
        const probs = prediction.probs!
        const off = expected[k]!.map((p, token) => Math.abs(p - probs[token]!))
        expect(probs).toHaveLength(64)
        expect(Math.max(...off)).toBeLessThan(PARITY)
        // No answer was named: then there is no probability and no rank of it.
        expect(Object.keys(prediction)).toEqual(['top', 'probs'])
        expect(prediction.top).toBe(probs.indexOf(Math.max(...probs)))
        compared++
      }
    })
    expect(compared).toBe(228 + 3)
  })

  test('answers good lines around bad ones, in order, and exits with 1', async () => {
    const cut = { layers: [0, 1], sources: [0], targets: [2] }
    const good = { tokens: [5, 9, 2], answer: 7 }
    const prompts: [id: unknown, line: string | object, error?: RegExp][] = [
      ['a', { id: 'a', ...good, knockouts: [cut, { ...cut, features: 'context-dependent' }] }],
      [null, '{"id":"b","tokens":[5,', /^line 2: must be JSON, got /],
      [null, '[1,2]', /^line 3: must be a JSON object, got /],
      [null, 'null', /^line 4: must be a JSON object, got /],
      [3, { id: 3, ...good, output: 'probs' }],
      ['c', { id: 'c', ...good, knokouts: [] }, /^line 6: fields must be among .*, got "knokouts"; /],
      ['d', { id: 'd', tokens: [5] }, /^line 7: answer must be a token id unless output is "probs", /],
      ['e', { id: 'e', tokens: [5, 9, 2], output: 'probs' }],
      ['f', { id: 'f', tokens: [64], answer: 1 }, /^line 9: token ids must be .* 0 to 63 .*, got 64; /],
      ['g', { id: 'g', tokens: [1.5], answer: 1 }, /^line 10: token ids .*, got 1.5; /],
      ['h', { id: 'h', tokens: [5], answer: -1 }, /^line 11: token ids .*, got -1; /],
      ['i', { id: 'i', tokens: [], answer: 1 }, /^line 12: a prompt must have one or more tokens, /],
      ['j', { id: 'j', tokens: '5 9', answer: 1 }, /^line 13: tokens must be a list of token ids, /],
      // An object without a text of its own.
      ['k', { id: 'k', tokens: [{ toString: 1 }], answer: 1 }, /^line 14: tokens must be a list /],
      ['l', { id: 'l', tokens: [5], answer: null }, /^line 15: answer must be a token id, got null; /],
      ['m', { id: 'm', ...good, output: 'all' }, /^line 16: output must be "answer" or "probs", /],
      ['n', { id: 'n', ...good, knockouts: {} }, /^line 17: knockouts must be a list, got {}; /],
      ['o', { id: 'o', ...good, knockouts: [cut, []] }, /^line 18: knockout 1: must be an object, /],
      ['p', { id: 'p', ...good, knockouts: [{ ...cut, layer: 1 }] }, /^line 19: knockout 0: fields /],
      ['q', { id: 'q', ...good, knockouts: [{ ...cut, layers: [5] }] }, /^line 20: .* layers .* got 5; /],
      ['r', { id: 'r', ...good, knockouts: [{ ...cut, layers: [] }] }, /^line 21: .* layers .* got \[\]; /],
      ['s', { id: 's', ...good, knockouts: [{ ...cut, sources: [3] }] }, /^line 22: .* sources .* got 3; /],
      ['t', { id: 't', ...good, knockouts: [{ ...cut, targets: [-1] }] }, /^line 23: .* targets .* got -1; /],
      ['u', { id: 'u', ...good, knockouts: [{ ...cut, features: 'none' }] }, /^line 24: .* features must /],
      // A number that JavaScript would round, or could not hold.
      [null, '{"id":12345678901234567890,"tokens":[5],"answer":1}', /^line 25: id must be .* 2\^53/],
      [null, '{"id":1e999,"tokens":[5],"answer":1}', /^line 26: id must be /],
      [null, { id: { a: 1 }, ...good }, /^line 27: id must be a text or a number /],
      [
        'v',
        `{"id":"v","tokens":${'['.repeat(20000)}${']'.repeat(20000)},"answer":1}`,
        /^line 28: .* token ids, got /,
      ],
      [9007199254740991, { id: 9007199254740991, ...good }],
      [0.1, { id: 0.1, ...good }],
      [null, { ...good }],
      // More than the memory holds.
      ['w', { id: 'w', tokens: new Array(100_000).fill(1), answer: 1 }, /^--memory: .* 100000 tokens /],
      ['last', { id: 'last', ...good }],
    ]
    const input = prompts.map(([, line]) => (typeof line === 'string' ? line : JSON.stringify(line)))
    const { code, stdout, stderr } = await factflow([...ARGS, '--memory', '50MB'], {
      input: `${input.join('\n')}\n`,
    })
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    const got = answers(stdout)
    expect(got.map(({ id }) => id)).toEqual(prompts.map(([id]) => id))
    prompts.forEach(([id, , error], i) => {
      if (error) {
        expect(got[i]).toEqual({ id, error: expect.stringMatching(/^[^\n]+: .+, got .+; .+$/) })
        expect(got[i]!.error).toMatch(error)
      } else {
        expect(Object.keys(got[i]!)).toEqual(['id', 'base', 'knockouts'])
      }
    })
    // Equal questions have equal answers, whatever else was asked with them.
    const { prob, rank, top } = got.at(-1)!.base
    for (const { base } of [got[0]!, got[4]!]) {
      expect(base).toMatchObject({ rank, top })
      expect(Math.abs(base.prob! - prob!)).toBeLessThan(SAME)
    }
    expect(Math.abs(got[4]!.base.probs![7]! - prob!)).toBeLessThan(SAME)
    expect(got[0]!.knockouts.map((knockout) => Object.keys(knockout))).toEqual([
      ['prob', 'rank', 'top'],
      ['prob', 'rank', 'top'],
    ])
  })

  test('reads CRLF, blank lines, a byte order mark, U+2028 in a text, and a last line without an end', async () => {
    const line = (id: string): string => JSON.stringify({ id, tokens: [1], answer: 1 })
    const ids = ['first', 'a\u2028b\u2029c\u0085d', 'é😀\ufeff', 'last']
    const [first, ...more] = ids.map(line)
    const input = `\ufeff${first}\r\n\r\n  \n${more.join('\r\n')}`
    const file = join(folder, 'lines.jsonl')
    writeFileSync(file, input)
    const [piped, read] = await Promise.all([factflow(ARGS, { input }), factflow([...ARGS, '--input', file])])
    expect(piped).toMatchObject({ code: 0, stderr: '' })
    expect(answers(piped.stdout).map(({ id }) => id)).toEqual(ids)
    expect(read).toEqual(piped)
  })

  test('counts blank lines in the numbers of lines', async () => {
    const { code, stdout } = await factflow(ARGS, { input: '\n\r\n\nno\n' })
    expect(code).toBe(1)
    expect(answers(stdout)).toMatchObject([{ id: null, error: expect.stringMatching(/^line 4: /) }])
  })

  test('answers nothing to no line', async () => {
    expect(await factflow(ARGS, { input: '' })).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test('answers a line before the next one comes', async () => {
    const child = start(ARGS)
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async (): Promise<unknown> => JSON.parse((await lines.next()).value as string)
    try {
      child.stdin.write('{"id":1,"tokens":[5,9],"answer":7}\n')
      expect(await next()).toMatchObject({ id: 1, base: {} })
      child.stdin.write('{"id":2,"tok')
      child.stdin.write('ens":[5,9],"answer":7}\r\nbad\n')
      expect(await next()).toMatchObject({ id: 2, base: {} })
      expect(await next()).toMatchObject({ error: expect.stringMatching(/^line 3: /) })
      child.stdin.write('{"id":4,"tokens":[5,9],"answer":7}\n')
      expect(await next()).toMatchObject({ id: 4, base: {} })
      child.stdin.end()
      expect(await once(child, 'close')).toEqual([1, null])
    } finally {
      child.kill()
    }
  })

  test('a reader that closes early is no error', async () => {
    const child = start(ARGS)
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.stdin.on('error', () => {})
    // More than the pipe holds: the command is still writing when its reader is gone.
    child.stdin.end('{"tokens":[5,9],"output":"probs"}\n'.repeat(2000))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect(await once(child, 'close')).toEqual([0, null])
    expect(stderr).toBe('')
  })

  test('keeps the order of many lines, more than it answers at once', async () => {
    const input = Array.from({ length: 2500 }, (_, id) =>
      JSON.stringify(
        id % 7 === 3
          ? { id }
          : { id, tokens: [id % 64, 5], answer: 1, ...(id % 3 === 0 && { output: 'probs' }) },
      ),
    ).join('\n')
    const { code, stdout } = await factflow(ARGS, { input })
    expect(code).toBe(1)
    const got = answers(stdout)
    expect(got.map(({ id }) => id)).toEqual(Array.from({ length: 2500 }, (_, id) => id))
    expect(got.filter(({ error }) => error).map(({ id }) => id)).toEqual(
      Array.from({ length: 2500 }, (_, id) => id).filter((id) => id % 7 === 3),
    )
    // The same prompt under another number has the same answer.
    expect(Math.abs(got[0]!.base.prob! - got[64]!.base.prob!)).toBeLessThan(SAME)
  })

  test.each([
    ['nope.jsonl', /^error: --input "nope.jsonl": must be readable, got ENOENT: no such file or directory; /],
    ['.', /^error: --input ".": must be readable, got EISDIR: /],
  ])('refuses the input file %s', async (file, message) => {
    expect(await refuse([...ARGS, '--input', file], { cwd: folder })).toMatch(message)
  })
})
