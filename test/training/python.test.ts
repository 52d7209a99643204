/** The tests of the Python under training/, where there is a Python with what they need. */
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { pythonWith } from '../helpers/python.js'

const PYTHON = pythonWith('torch', 'transformers', 'triton', 'pytest')

test('pytest training/tests', ({ skip }) => {
  if (!PYTHON)
    skip('needs a Python with PyTorch, Triton, transformers and pytest (FACTFLOW_PYTHON names one)')
  const env = { ...process.env, TRITON_INTERPRET: '1', PYTHONDONTWRITEBYTECODE: '1', HF_HUB_OFFLINE: '1' }
  const out = execFileSync(PYTHON!, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'tests'], {
    cwd: resolve(import.meta.dirname, '..', '..', 'training'),
    encoding: 'utf8',
    env,
  })
  expect(out).toMatch(/^\d+ passed/m)
}, 900_000)
