import { afterEach, describe, expect, test, vi } from 'vitest'
import { colors, width } from '../../src/cli/terminal.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

function stub(env: Readonly<Record<string, string | undefined>>): void {
  // What is set where the tests run must not matter.
  for (const name of ['NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'COLORTERM', 'TMUX', 'CI', 'TERM'])
    vi.stubEnv(name, undefined)
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
}

describe('width', () => {
  test.each([
    ['120', 120],
    [undefined, 80],
    ['', 80],
    ['0', 80],
    ['-5', 80],
    ['100.5', 80],
    ['wide', 80],
    ['NaN', 80],
    ['Infinity', 80],
    // Too narrow for a figure, and wider than anyone can see.
    ['12', 40],
    ['10000000', 400],
  ])('is, with COLUMNS=%s, %i', (columns, expected) => {
    vi.stubEnv('COLUMNS', columns)
    expect(width()).toBe(expected)
  })
})

describe('colors', () => {
  const terminal = { isTTY: true }
  // A pipe has no such property at all.
  const pipe = {} as { isTTY: boolean }

  test.each<[Record<string, string>, number, number]>([
    [{ TERM: 'xterm-256color' }, 256, 0],
    [{ TERM: 'xterm-256color', COLORTERM: 'truecolor' }, 16777216, 0],
    [{ TERM: 'xterm' }, 16, 0],
    [{ TERM: 'dumb' }, 0, 0],
    [{ TERM: 'xterm-256color', NO_COLOR: '1' }, 0, 0],
    // An empty NO_COLOR is none (no-color.org).
    [{ TERM: 'xterm-256color', NO_COLOR: '' }, 256, 0],
    // FORCE_COLOR wins over NO_COLOR, as in Node itself.
    [{ TERM: 'xterm-256color', FORCE_COLOR: '0' }, 0, 0],
    [{ FORCE_COLOR: '1' }, 16, 16],
    [{ FORCE_COLOR: '2', NO_COLOR: '1' }, 256, 256],
    [{ FORCE_COLOR: '3' }, 16777216, 16777216],
  ])('with %o are %i in a terminal and %i in a pipe', (env, inTerminal, inPipe) => {
    stub(env)
    expect([colors(terminal), colors(pipe)]).toEqual([inTerminal, inPipe])
  })
})
