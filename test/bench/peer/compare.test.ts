/** The comparison itself, where FACTFLOW_PEER names a checkout of the authors' code and Python has what that needs. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readRecord } from '../../../bench/record.js'
import { pythonWith } from '../../helpers/python.js'

const ROOT = resolve(import.meta.dirname, '../../..')
const PEER = process.env.FACTFLOW_PEER
const PYTHON =
  PEER && existsSync(PEER) ? pythonWith('torch', 'transformers', 'safetensors', 'einops') : undefined
const ANY_PYTHON = pythonWith('json')

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-test-'))
})
afterAll(() => rm(dir, { recursive: true }))

function run(program: string, ...args: string[]) {
  const { FACTFLOW_PEER, ...env } = process.env
  return spawnSync(program, args, { cwd: ROOT, encoding: 'utf8', env })
}
const compare = (...args: string[]) =>
  run(process.execPath, '--import', 'tsx', 'bench/peer/compare.ts', ...args)
const peer = (python: string, ...args: string[]) => run(python, 'bench/peer/peer.py', ...args)

describe.each(['tiny-mamba', 'tiny-mamba2', 'tiny-falcon-mamba'])('%s', (size) => {
  test('all knockouts agree, of weights read and of weights made by Python', async ({ skip }) => {
    if (!PYTHON)
      skip("needs the authors' code (FACTFLOW_PEER) and a Python with PyTorch, transformers, einops")
    const file = join(dir, `${size}.json`)
    const sample = ['--knockouts', '32', '--rounds', '1', '--threads', '1']
    const read = compare('--peer', PEER!, '--python', PYTHON!, '--size', size, ...sample, '--json', file)
    expect(read.stdout).toMatch(/\nthe two agree\n$/)
    expect(read.status).toBe(0)
    const { authors, agreement } = JSON.parse(await readFile(file, 'utf8'))
    expect(authors.probs).toHaveLength(32)
    // A knockout must be seen, or anything would agree.
    expect(agreement.effect).toBeGreaterThan(0.1)
    const [theirs, ...ours] = readRecord(file, 'peer').rows
    expect(theirs).toMatchObject({ program: 'authors', model: size, prompts: 1, relativeDifference: null })
    expect(ours.map(({ program, prompts }) => [program, prompts])).toEqual([
      ['factflow', 1],
      ['factflow', 8],
    ])
    expect(ours[0].relativeDifference).toBe(agreement.relative)

    const alone = join(dir, `${size}-alone.json`)
    expect(peer(PYTHON!, '--peer', PEER!, '--size', size, ...sample, '--json', alone).status).toBe(0)
    expect(JSON.parse(await readFile(alone, 'utf8')).probs).toEqual(authors.probs)

    const wrong = { ...authors, probs: authors.probs.with(5, authors.probs[5] * 1.001) }
    await writeFile(alone, JSON.stringify(wrong))
    const differs = compare('--measured', alone, '--threads', '1')
    expect(differs.stdout).toMatch(/\nTHE TWO DO NOT AGREE/)
    expect(differs.status).toBe(1)
  }, 120_000)
})

test('a file that is not a result', async () => {
  const file = join(dir, 'other.json')
  await writeFile(file, '{}')
  const { stderr, status } = compare('--measured', file)
  expect(stderr).toMatch(/^error: --measured: must be what peer\.py wrote, got ".*other\.json" \(work: /)
  expect(status).toBe(2)
})

test('peer.py says what is wrong with its arguments', ({ skip }) => {
  if (!ANY_PYTHON) skip('needs a Python')
  for (const [args, message] of [
    [['--size', 'mamba-13t'], "argument --size: invalid choice: 'mamba-13t'"],
    [['--knockouts', '0'], "argument --knockouts: must be a whole number from 1 on, got '0'"],
  ] as const) {
    const { stderr, status } = peer(ANY_PYTHON!, '--peer', dir, '--json', join(dir, 'x'), ...args)
    expect(stderr).toContain(message)
    expect(status).toBe(2)
  }
})
