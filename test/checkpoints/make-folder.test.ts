import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeFolder } from '../../src/checkpoints/make-folder.js'
import { temporaryFolder } from './helpers.js'

describe('makeFolder', () => {
  test('makes a folder and those above it; one that is there is fine', async () => {
    const { dir } = temporaryFolder()
    const deep = join(dir, 'a', 'b', 'c')
    await makeFolder(deep)
    expect(statSync(deep).isDirectory()).toBe(true)
    await makeFolder(deep)
    await makeFolder(dir)
  })

  test('many at once', async () => {
    const { dir } = temporaryFolder()
    const paths = Array.from({ length: 20 }, (_, i) => join(dir, 'x', 'y', String(i % 3)))
    await Promise.all(paths.map((path) => makeFolder(path)))
    for (const path of paths) expect(statSync(path).isDirectory()).toBe(true)
  })

  test('in the place of a file, or below one', async () => {
    const { dir } = temporaryFolder()
    writeFileSync(join(dir, 'file'), '')
    await expect(makeFolder(join(dir, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(makeFolder(join(dir, 'file', 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  test.skipIf(!existsSync('/proc/self'))('where none can be made', async () => {
    await expect(makeFolder('/proc/nope/a/b')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
