import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openFile, openFileIfPresent, unreadable } from '../../src/checkpoints/node-file.js'
import { inputError, temporaryFolder } from './helpers.js'

const folder = temporaryFolder()
const CONTENT = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) & 255)
const path = folder.write('content.bin', CONTENT)

afterEach(() => {
  vi.restoreAllMocks()
})

describe('reading', () => {
  test('any range, also in parallel', async () => {
    const source = await openFile(path)
    expect(source).toMatchObject({ name: path, size: 1000 })
    const ranges = [
      [0, 1000],
      [0, 0],
      [1000, 0],
      [999, 1],
      [13, 500],
    ]
    const read = await Promise.all(ranges.map(([offset, length]) => source.read(offset, length)))
    expect(read).toEqual(ranges.map(([offset, length]) => CONTENT.slice(offset, offset + length)))
    await source.close()
  })

  test('memory of its own that suits any type', async () => {
    const source = await openFile(path)
    const [a, b] = [await source.read(0, 8), await source.read(0, 8)]
    a.fill(0)
    expect(b).toEqual(CONTENT.slice(0, 8))
    expect([b.byteOffset, b.buffer.byteLength]).toEqual([0, 8])
    await source.close()
  })

  test('the operating system may give less than was asked for', async () => {
    const handle = await open(path)
    const prototype = Object.getPrototypeOf(handle)
    await handle.close()
    const read = prototype.read
    const calls = vi.spyOn(prototype, 'read').mockImplementation(function (
      this: unknown,
      ...args: unknown[]
    ) {
      const [bytes, at, length, position] = args as [Uint8Array, number, number, number]
      return read.call(this, bytes, at, Math.min(length, 7), position)
    })
    const source = await openFile(path)
    expect(await source.read(100, 50)).toEqual(CONTENT.slice(100, 150))
    expect(calls).toHaveBeenCalledTimes(8)
    await source.close()
  })

  test('a file that shrinks while it is open', async () => {
    const shrinking = folder.write('shrinking.bin', CONTENT)
    const source = await openFile(shrinking)
    truncateSync(shrinking, 600)
    expect(await source.read(0, 600)).toEqual(CONTENT.slice(0, 600))
    expect(await inputError(source.read(500, 400))).toBe(
      `${shrinking}: must hold at least 900 bytes, got 600: it shrank while open; download it again`,
    )
    await source.close()
  })

  test('a disk that fails', async () => {
    const source = await openFile(path)
    const handle = await open(path)
    vi.spyOn(Object.getPrototypeOf(handle), 'read').mockRejectedValue(
      Object.assign(new Error(), { code: 'EIO' }),
    )
    expect(await inputError(source.read(0, 10))).toBe(
      `${path}: must be readable, got EIO; check the path and the disk`,
    )
    await source.close()
    await handle.close()
  })
})

describe('opening', () => {
  test('no such file', async () => {
    const missing = join(folder.dir, 'missing')
    expect(await openFileIfPresent(missing)).toBeUndefined()
    expect(await inputError(openFile(missing))).toBe(
      `${missing}: the file must exist, got no such file; check the path`,
    )
  })

  test('a link to a file is a file; a link to nothing is nothing', async () => {
    symlinkSync('content.bin', join(folder.dir, 'link'))
    symlinkSync('nowhere', join(folder.dir, 'dangling'))
    const source = await openFile(join(folder.dir, 'link'))
    expect(source.size).toBe(1000)
    await source.close()
    expect(await openFileIfPresent(join(folder.dir, 'dangling'))).toBeUndefined()
  })

  test('a folder', async () => {
    expect(await inputError(openFile(folder.dir))).toBe(
      `${folder.dir}: must be a file, got a folder; check the path`,
    )
  })

  test.skipIf(process.platform === 'win32')('a named pipe: an error, not a wait', async () => {
    const pipe = join(folder.dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(await inputError(openFile(pipe))).toMatch(/must be a file, got a device, pipe or socket; /)
  })

  test('a path through a file, a circle of links, a NUL', async () => {
    symlinkSync('circle', join(folder.dir, 'circle'))
    expect(await inputError(openFile(join(path, 'x')))).toMatch(/must be readable, got ENOTDIR; /)
    expect(await inputError(openFile(join(folder.dir, 'circle')))).toMatch(/must be readable, got ELOOP; /)
    expect(await inputError(openFile('a\0b'))).toMatch(/must be readable, got ERR_INVALID_ARG_VALUE; /)
  })

  // The superuser may read everything: there, only the wording can be tested.
  test('no permission: the message', async () => {
    for (const code of ['EACCES', 'EPERM']) {
      expect(unreadable('f', Object.assign(new Error(), { code })).message).toBe(
        `f: must be readable, got permission denied (${code}); change its permissions`,
      )
    }
  })

  test.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('no permission', async () => {
    const secret = folder.write('secret', CONTENT)
    chmodSync(secret, 0)
    expect(await inputError(openFile(secret))).toMatch(/got permission denied \(EACCES\)/)
    mkdirSync(join(folder.dir, 'closed'), { mode: 0 })
    expect(await inputError(openFile(join(folder.dir, 'closed', 'x')))).toMatch(/got permission denied/)
  })
})
