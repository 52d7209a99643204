import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { InputError } from '../../src/errors.js'
import { checkWritable, createWhole, systemReason, writeWhole } from '../../src/results/whole-file.js'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'factflow-whole-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** The message of the InputError that a promise must end with. */
async function inputError(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(InputError)
  expect((error as Error).message).toMatch(/^[^\n]+: [^\n]+, got [^\n]+; [^\n]+$/)
  return (error as Error).message
}

describe('writeWhole', () => {
  test('writes texts and bytes, and nothing else into the folder', async () => {
    await writeWhole(join(folder, 'text'), 'é\n')
    await writeWhole(join(folder, 'bytes'), Uint8Array.of(0, 255, 10))
    expect(readFileSync(join(folder, 'text'), 'utf8')).toBe('é\n')
    expect([...readFileSync(join(folder, 'bytes'))]).toEqual([0, 255, 10])
    expect(readdirSync(folder).sort()).toEqual(['bytes', 'text'])
  })

  test('a reader sees the old file or the new one, whole', async () => {
    const path = join(folder, 'file')
    const versions = ['a', 'b'].map((letter) => letter.repeat(4_000_000))
    await writeWhole(path, versions[0]!)
    let writing = true
    const whole: boolean[] = []
    const reader = (async () => {
      while (writing) whole.push(versions.includes(await readFile(path, 'utf8')))
    })()
    for (let i = 1; i <= 10; i++) await writeWhole(path, versions[i % 2]!)
    writing = false
    await reader
    expect(whole.length).toBeGreaterThan(3)
    expect(whole).not.toContain(false)
  })

  test('replaces what a symbolic link points to, not the link', async () => {
    mkdirSync(join(folder, 'elsewhere'))
    writeFileSync(join(folder, 'elsewhere', 'real'), 'before')
    symlinkSync(join('elsewhere', 'real'), join(folder, 'link'))
    await writeWhole(join(folder, 'link'), 'after')
    expect(readlinkSync(join(folder, 'link'))).toBe(join('elsewhere', 'real'))
    expect(readFileSync(join(folder, 'elsewhere', 'real'), 'utf8')).toBe('after')
    expect(readdirSync(join(folder, 'elsewhere'))).toEqual(['real'])
  })

  test('a failure leaves the folder as it was', async () => {
    writeFileSync(join(folder, 'file'), 'before')
    const failing = writeWhole(join(folder, 'file'), async (temporary) => {
      writeFileSync(temporary, 'half')
      throw new Error('ENOSPC: no space left')
    })
    await expect(failing).rejects.toThrow(/got ENOSPC: no space left/)
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('before')
    expect(readdirSync(folder)).toEqual(['file'])
  })

  test('two at once do not meet', async () => {
    const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(1000))
    await Promise.all(texts.map((text) => writeWhole(join(folder, 'file'), text)))
    expect(texts).toContain(readFileSync(join(folder, 'file'), 'utf8'))
    expect(readdirSync(folder)).toEqual(['file'])
  })
})

describe('createWhole', () => {
  test('writes what is not there yet, once, however many ask', async () => {
    const file = join(folder, 'new.json')
    const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`)
    const created = await Promise.all(texts.map((text) => createWhole(file, text)))
    expect(created.filter(Boolean)).toHaveLength(1)
    expect(readFileSync(file, 'utf8')).toBe(texts[created.indexOf(true)])
    expect(await createWhole(file, 'other')).toBe(false)
    expect(readdirSync(folder)).toEqual(['new.json'])
  })

  test('says where it cannot write', async () => {
    const message = await inputError(createWhole(join(folder, 'none', 'new.json'), 'text'))
    expect(message).toContain('got ENOENT: no such file or directory')
  })
})

describe.each([
  ['writeWhole', (path: string) => writeWhole(path, 'text')],
  ['checkWritable', checkWritable],
])('%s refuses', (_, write) => {
  test('a folder that does not exist', async () => {
    const path = join(folder, 'none', 'file')
    expect(await inputError(write(path))).toBe(
      `${path}: must be a file that can be written in "${join(folder, 'none')}", got ENOENT: no such file or directory; choose another place`,
    )
    expect(readdirSync(folder)).toEqual([])
  })

  test('a file in the place of a folder', async () => {
    writeFileSync(join(folder, 'file'), 'before')
    expect(await inputError(write(join(folder, 'file', 'inside')))).toContain(
      'got ENOTDIR: not a directory; ',
    )
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('before')
  })

  test('a folder, a device and no name', async () => {
    const rule = 'must be a file or a new name, got a folder or device'
    expect(await inputError(write(folder))).toBe(`${folder}: ${rule}; choose another place`)
    expect(await inputError(write('/dev/null'))).toBe(`/dev/null: ${rule}; choose another place`)
    expect(await inputError(write(''))).toBe('output file: must have a name, got ""; name a file')
    expect(readdirSync(folder)).toEqual([])
  })
})

test('checkWritable writes nothing', async () => {
  writeFileSync(join(folder, 'there'), 'before')
  await checkWritable(join(folder, 'there'))
  await checkWritable(join(folder, 'new'))
  expect(readdirSync(folder)).toEqual(['there'])
  expect(readFileSync(join(folder, 'there'), 'utf8')).toBe('before')
})

test('systemReason leaves out the call and the path', async () => {
  const path = join(folder, 'a, b')
  const error: unknown = await readFile(path).catch((reason: unknown) => reason)
  expect(systemReason(error)).toBe('ENOENT: no such file or directory')
  expect(systemReason('odd')).toBe('odd')
})
