/** The image: what it is made of is there, and it has what the package has. Building it needs a registry of images. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8')
/** Instructions with their arguments, continued lines joined. */
const instructions = read('Dockerfile')
  .replace(/^\s*#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .map((line) => line.trim().split(/\s+/))

const copied = instructions
  .filter(([name]) => name === 'COPY')
  .map(([, ...words]) => ({ from: words[0]!.startsWith('--from='), sources: words.slice(0, -1) }))

test('all that it copies is there, and is not kept from it', () => {
  const allowed = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const own = copied.filter(({ from }) => !from).flatMap(({ sources }) => sources)
  expect(own).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'src', 'models']))
  expect([...new Set(own)].sort()).toEqual(allowed.sort())
  for (const path of own) expect(existsSync(join(ROOT, path)), path).toBe(true)
})

test('it has what the package has, but pages to read', () => {
  const { files } = JSON.parse(read('package.json')) as { files: string[] }
  const needed = files.filter((path) => !/\.md$|^docs\//.test(path)).map((path) => path.split('/')[0]!)
  const stages = copied.filter(({ from }) => from).flatMap(({ sources }) => sources.slice(1))
  for (const name of [...needed, 'package.json', 'node_modules']) {
    expect(stages.some((path) => path.split('/')[2] === name)).toBe(true)
  }
})

test('it runs as a user by number, as Kubernetes can tell that it is not root', () => {
  const users = instructions.filter(([name]) => name === 'USER')
  expect(users).toEqual([['USER', expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/)]])
  expect(instructions.filter(([name]) => name === 'ENTRYPOINT')).toEqual([['ENTRYPOINT', '["factflow"]']])
})
