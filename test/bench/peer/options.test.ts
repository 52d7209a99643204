import os from 'node:os'
import { expect, test } from 'vitest'
import { compareOptions } from '../../../bench/peer/options.js'
import { InputError } from '../../../src/errors.js'

test('defaults', () => {
  expect(compareOptions(['--peer', 'there'], {})).toEqual({
    peer: 'there',
    size: 'mamba-130m',
    seed: 0,
    python: 'python3',
    device: 'cpu',
    threads: os.availableParallelism(),
    knockouts: 16,
    prompts: 8,
    rounds: 3,
  })
})

test('the environment says where the authors’ code and Python are, unless the options do', () => {
  const env = { FACTFLOW_PEER: 'a', FACTFLOW_PYTHON: 'b' }
  expect(compareOptions([], env)).toMatchObject({ peer: 'a', python: 'b' })
  expect(compareOptions(['--peer', 'c', '--python', 'd'], env)).toMatchObject({ peer: 'c', python: 'd' })
  const measured = compareOptions(['--measured', 'out.json'], env)
  expect(measured).toMatchObject({ measured: 'out.json' })
  expect(measured.peer).toBeUndefined()
})

test.each([
  [[], /^--peer: either it or --measured must be given, got neither; name a checkout/],
  [['--peer', 'a', '--measured', 'b'], /^--peer: .*, got both;/],
  [
    ['--measured', 'b', '--size', 'tiny-mamba'],
    /^--size: must not be given with --measured, got "tiny-mamba"/,
  ],
  [['--measured', 'b', '--knockouts', '16'], /^--knockouts: must not be given with --measured, got 16/],
  [['--peer', 'a', '--size', 'gpt2'], /^--size: must be one of mamba-130m, .*, got "gpt2"/],
  [['--peer', 'a', '--device', 'tpu'], /^--device: must be one of cpu.*, got "tpu"/],
  [['--peer', 'a', '--threads', '0'], /^--threads: must be a whole number from 1 on, got "0"/],
  [['--peer', 'a', '--rounds', '1.5'], /^--rounds: must be a whole number from 1 on, got "1.5"/],
  [['--peer', 'a', '--memory', 'much'], /^--memory: must be a size such as 4GB/],
  [['--peer'], /^--peer: must be followed by a value, got nothing/],
  [
    ['--peer', 'a', '--sise', 'x'],
    /^option: must be one that bench:peer has, got "--sise"; did you mean --size\?/,
  ],
  [['--peer', 'a', 'mamba-130m'], /^arguments: bench:peer takes none, got 1/],
])('%j is refused', (args, message) => {
  const parse = () => compareOptions(args, {})
  expect(parse).toThrow(InputError)
  expect(parse).toThrow(message)
})
