import { expect, it } from 'vitest'
import { InputError, show } from '../src/errors.js'

it('a message is one line, whatever it quotes', () => {
  const { message } = new InputError('a\nb\u2028\u001b[2J\u0085: must be x, got y; do z')
  expect(message).toBe('a\\u000ab\\u2028\\u001b[2J\\u0085: must be x, got y; do z')
})

it('a long message keeps where it is and what to do', () => {
  const { message } = new InputError(`file.json: must be x, got ${'y'.repeat(100_000)}; do z`)
  expect(message).toHaveLength(2000)
  expect(message).toMatch(/^file\.json: must be x, got y+…y+; do z$/)
})

it('a value is shown on one line', () => {
  expect(show('a\u2028\u007fb\n')).toBe('"a\\u2028\\u007fb\\n"')
  expect(show({ a: 'x'.repeat(100) }, 10)).toBe('{"a":"xxx…')
})
