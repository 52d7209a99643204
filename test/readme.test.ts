/** The README's code blocks marked `run` work as they stand, with the built package. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```(\w+) run\n([\s\S]*?)^```/gm)].map(([, language, code]) => ({
  language: language!,
  code: code!.trim(),
}))

/** A folder in which `factflow` is installed, as a user's project. */
let project: string

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'factflow-readme-'))
  mkdirSync(join(project, 'node_modules', '.bin'), { recursive: true })
  symlinkSync(root, join(project, 'node_modules', 'factflow'))
  symlinkSync(join(root, 'dist', 'cli', 'main.js'), join(project, 'node_modules', '.bin', 'factflow'))
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
})

afterAll(() => {
  rmSync(project, { recursive: true, force: true })
})

describe('README', () => {
  test('has commands and a library example to run', () => {
    expect(new Set(blocks.map(({ language }) => language))).toEqual(new Set(['sh', 'ts']))
  })

  test.each(blocks.filter(({ language }) => language === 'sh'))('runs $code', ({ code }) => {
    const out = execFileSync(
      'sh',
      ['-c', code.replaceAll('npx factflow', 'node node_modules/.bin/factflow')],
      {
        cwd: project,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    expect(out.trim()).not.toBe('')
    for (const [, file] of code.matchAll(/--(?:svg|png) (\S+)/g))
      expect(existsSync(join(project, file!))).toBe(true)
  })

  test.each(blocks.filter(({ language }) => language === 'ts'))('runs the library example', ({ code }) => {
    // Its TypeScript is plain JavaScript: no types are written out.
    writeFileSync(join(project, 'example.js'), code)
    const out = execFileSync(process.execPath, ['example.js'], { cwd: project, encoding: 'utf8' })
    const numbers = out.trim().split(/\s+/).map(Number)
    expect(numbers).toHaveLength(5)
    const [base, cell, again] = numbers as [number, number, number]
    expect(base).toBeGreaterThan(0.5)
    expect(cell).toBeLessThan(1)
    expect(again).toBeCloseTo(base, 6)
  })
})
