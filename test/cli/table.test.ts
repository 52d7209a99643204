import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { tableLines } from '../../src/cli/table.js'

test('columns are as wide as their widest cell, two spaces apart, aligned left or right', () => {
  const rows = [
    ['NAME', 'N', 'WHERE'],
    ['a', '1,234', 'here'],
    ['longer', '7', 'nowhere'],
  ]
  expect(tableLines(rows, new Set([0, 2]))).toEqual([
    'NAME        N  WHERE',
    'a       1,234  here',
    'longer      7  nowhere',
  ])
  expect(tableLines(rows, new Set())).toEqual([
    '  NAME      N    WHERE',
    '     a  1,234     here',
    'longer      7  nowhere',
  ])
})

test('no line ends in spaces, also when its last cells are empty', () => {
  const rows = [
    ['a', 'b', 'c'],
    ['long', '', ''],
    ['', '', 'x'],
  ]
  expect(tableLines(rows, new Set([0, 1, 2]))).toEqual(['a     b  c', 'long', '         x'])
})

test('what counts is the width in the terminal, not the number of characters', () => {
  // Two columns a character; a letter with a combining accent; a flag of four UTF-16 units in two columns.
  const names = ['東京', 'e\u0301', '🇯🇵', 'abc']
  expect(names.map((name) => [name.length, stringWidth(name)])).toEqual([
    [2, 4],
    [2, 1],
    [4, 2],
    [3, 3],
  ])
  const rows = names.map((name) => [name, name, '|'])
  expect(tableLines(rows, new Set([0]))).toEqual([
    '東京  東京  |',
    'e\u0301        e\u0301  |',
    '🇯🇵      🇯🇵  |',
    'abc    abc  |',
  ])
})
