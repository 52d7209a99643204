/** The app as files. */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { exportApp } from '../../src/server/export.js'
import { ownFiles } from '../../src/server/own-files.js'
import { tree } from '../hub-server/environment.js'
import { PAGE, SCRIPT, smallApp, temporaryFolder } from './helpers.js'

it('writes everything that the page fetches below the folder', async () => {
  const app = smallApp()
  const dir = join(temporaryFolder(), 'new', 'site')
  const { files, bytes } = await exportApp(app, dir)
  const own = await ownFiles()
  const names = ['factflow-app.json', 'icon.svg', 'index.html', SCRIPT, ...own.keys()]
  expect(tree(dir)).toEqual(names.sort())
  expect(files).toBe(names.length - 1)
  const sizes = tree(dir).filter((name) => name !== 'factflow-app.json')
  expect(bytes).toBe(sizes.reduce((sum, name) => sum + readFileSync(join(dir, name)).length, 0))
  // No server behind it.
  expect(readFileSync(join(dir, 'index.html'), 'utf8')).toBe(PAGE)
  for (const [name, path] of own) expect(readFileSync(join(dir, name)).equals(readFileSync(path))).toBe(true)
})

it('replaces an earlier export, and leaves what else was put there', async () => {
  const dir = temporaryFolder()
  const app = smallApp()
  writeFileSync(join(app, 'assets', 'old-12345678.js'), 'old')
  await exportApp(app, dir)
  writeFileSync(join(dir, 'CNAME'), 'example.org')
  expect(existsSync(join(dir, 'assets', 'old-12345678.js'))).toBe(true)
  await exportApp(smallApp(), dir)
  expect(existsSync(join(dir, 'assets', 'old-12345678.js'))).toBe(false)
  expect(readFileSync(join(dir, 'CNAME'), 'utf8')).toBe('example.org')
  expect(readFileSync(join(dir, SCRIPT), 'utf8')).toBe('export {}')
})

it.each([
  ['somebody’s files', (dir: string) => writeFileSync(join(dir, 'thesis.txt'), 'x')],
  ['a list that is none', (dir: string) => writeFileSync(join(dir, 'factflow-app.json'), '{"files":["a"]}')],
  [
    'a list that leads out of it',
    (dir: string) =>
      writeFileSync(
        join(dir, 'factflow-app.json'),
        '{"format":"factflow-app/1","files":["assets/../../victim.txt"]}',
      ),
  ],
])('refuses a folder with %s', async (_, put) => {
  const above = temporaryFolder()
  const dir = join(above, 'site')
  mkdirSync(dir)
  writeFileSync(join(above, 'victim.txt'), 'x')
  put(dir)
  const before = tree(above)
  await expect(exportApp(smallApp(), dir)).rejects.toThrow(
    /^--export: must be a new or empty folder, or hold an earlier export, got /,
  )
  expect(tree(above)).toEqual(before)
})

it('follows no link out of the folder', async () => {
  const above = temporaryFolder()
  const dir = join(above, 'site')
  await exportApp(smallApp(), dir)
  mkdirSync(join(above, 'elsewhere', 'tiny-mamba1'), { recursive: true })
  writeFileSync(join(above, 'elsewhere', 'tiny-mamba1', 'config.json'), 'mine')
  writeFileSync(join(above, 'mine.txt'), 'mine')
  rmSync(join(dir, 'icon.svg'))
  symlinkSync(join(above, 'mine.txt'), join(dir, 'icon.svg'))
  await exportApp(smallApp(), dir)
  expect(readFileSync(join(above, 'mine.txt'), 'utf8')).toBe('mine')
  rmSync(join(dir, 'models'), { recursive: true })
  symlinkSync(join(above, 'elsewhere'), join(dir, 'models'))
  await expect(exportApp(smallApp(), dir)).rejects.toThrow(
    /^--export: folders of an earlier export must be folders/,
  )
  expect(readFileSync(join(above, 'elsewhere', 'tiny-mamba1', 'config.json'), 'utf8')).toBe('mine')
})

it('a file in the folder’s place is an error in words', async () => {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, '')
  await expect(exportApp(smallApp(), file)).rejects.toThrow(
    /^--export: must be a folder or a place for one, got /,
  )
})
