import { execFileSync, spawnSync } from 'node:child_process'
import stringWidth from 'string-width'
import { describe, expect, test } from 'vitest'
import { bytesTail, duration, progressLine } from '../../src/cli/progress.js'
import { MAIN } from './command.js'

describe('progressLine', () => {
  const half = { done: 5000, total: 10_000 }

  test('has a bar, the share, the time left and the rate', () => {
    expect(progressLine('sweep', half, 2.5, 100)).toBe(
      'sweep ━━━━━━━━━━━━────────────  50 %  3 s left  2,000 layer-rows/s',
    )
  })

  test('gives up the rate, then the bar, where there is no room', () => {
    expect(progressLine('sweep', half, 2.5, 51)).toBe('sweep ━━━━────  50 %  3 s left  2,000 layer-rows/s')
    expect(progressLine('sweep', half, 2.5, 50)).toBe('sweep ━━━━━━━━━━━━────────────  50 %  3 s left')
    expect(progressLine('sweep', half, 2.5, 25)).toBe('sweep  50 %  3 s left')
  })

  test.each([20, 30, 40, 48, 60, 80, 200])('never fills the last of %i columns', (width) => {
    for (const done of [0, 1, 2500, 9999, 10_000]) {
      expect(stringWidth(progressLine('evaluate', { done, total: 10_000 }, 1234, width))).toBeLessThan(width)
    }
  })

  test('promises nothing before it can tell', () => {
    expect(progressLine('sweep', { done: 1, total: 10_000 }, 1, 100)).not.toContain('left')
    expect(progressLine('sweep', { done: 0, total: 0 }, 0, 100)).toContain('  0 %')
  })

  test('is full only at the end', () => {
    expect(progressLine('sweep', { done: 9999, total: 10_000 }, 1, 100)).toContain(' 99 %')
    expect(progressLine('sweep', { done: 10_000, total: 10_000 }, 1, 100)).toContain('100 %  0 s left')
  })
})

describe('progressLine of a download', () => {
  const half = { done: 2.5e9, total: 5e9 }

  test('says how much, and how fast since it went on', () => {
    expect(progressLine('download gpt2', half, 50, 100, bytesTail(2e9))).toBe(
      'download gpt2 ━━━━━━━━━━━━────────────  50 %  4 min 10 s left  2.5 GB of 5.0 GB  10 MB/s',
    )
  })

  test.each([
    [0, '0 kB'],
    [83_200, '83 kB'],
    [999_999, '1000 kB'],
    [5_250_000, '5.3 MB'],
    [182_000_000, '182 MB'],
    [14_480_000_000, '14 GB'],
  ])('%d bytes', (total, text) => {
    expect(progressLine('x', { done: 0, total }, 1, 100, bytesTail(0))).toContain(`0 kB of ${text} `)
  })

  test('promises nothing while nothing comes', () => {
    expect(progressLine('x', half, 50, 100, bytesTail(2.5e9))).not.toContain('left')
  })
})

test.each([
  [0, '0 s'],
  [0.2, '1 s'],
  [59, '59 s'],
  [59.5, '1 min 0 s'],
  [200, '3 min 20 s'],
  [7500, '2 h 5 min'],
])('duration of %d seconds', (seconds, text) => {
  expect(duration(seconds)).toBe(text)
})

const ESCAPE = String.fromCharCode(27)
/** util-linux's script(1) runs a command in a terminal; without it there is none to test in. */
const hasScript =
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false

test.skipIf(!hasScript)(
  'in a terminal the bar shows, is gone at the end, and leaves no setting behind',
  () => {
    const trace = `'${process.execPath}' '${MAIN}' trace 'Manila is the capital of' --subject Manila --json --threads 1`
    const text = execFileSync('script', ['-qec', `stty cols 100; ${trace} > /dev/null`, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm' },
    })
    expect(text).toMatch(/trace [━─]{24} +\d+ % /)
    // Cursor visibility and line wrapping would stay off after an interrupt.
    expect(text).not.toContain(`${ESCAPE}[?25l`)
    expect(text).not.toContain(`${ESCAPE}[?7l`)
    // The line is cleared, and nothing follows.
    expect(text.endsWith(`${ESCAPE}[2K`)).toBe(true)
  },
)
