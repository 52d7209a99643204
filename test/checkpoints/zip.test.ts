/** Zip archives: what is stored is found, anything else is refused. */
import { describe, expect, test } from 'vitest'
import { isZip, openZip } from '../../src/checkpoints/zip.js'
import { inputError, MemorySource } from './helpers.js'
import { NotingSource, type RawEntry, type ZipOptions, zipOf } from './torch-helpers.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const ENTRIES: RawEntry[] = [
  { name: 'm/data.pkl', bytes: bytes('pickle') },
  { name: 'm/empty', bytes: bytes('') },
  { name: 'm/é', bytes: bytes('last') },
]

describe('an archive', () => {
  test.each<[string, ZipOptions]>([
    ['plain', {}],
    ['zip64', { zip64: true }],
    ['with a comment', { comment: 'made by hand' }],
    [
      'with a comment that looks like an end',
      { comment: 'PK\u0005\u0006 and more, more than an end record' },
    ],
    ['with a long comment', { comment: 'x'.repeat(65_535), zip64: true }],
    ['without padding', { padding: 0 }],
  ])('%s', async (_, options) => {
    const source = new MemorySource('m.bin', zipOf(ENTRIES, options))
    const zip = await openZip(source)
    expect(zip.names()).toEqual(ENTRIES.map(({ name }) => name))
    for (const { name, bytes } of ENTRIES) {
      const entry = zip.entry(name)
      expect(entry.size).toBe(bytes.length)
      expect(await source.read(await zip.dataStart(entry), entry.size)).toEqual(bytes)
    }
  })

  test('is read by position: its end, its directory, one header for each entry', async () => {
    const large = { name: 'm/large', bytes: new Uint8Array(500_000) }
    const source = new NotingSource('m.bin', zipOf([large, ...ENTRIES]))
    const zip = await openZip(source)
    await zip.dataStart(zip.entry('m/large'))
    expect(source.reads.length).toBe(3)
    expect(source.reads.reduce((sum, [, length]) => sum + length, 0)).toBeLessThan(70_000)
  })

  test('is known by its first bytes', () => {
    expect([isZip(zipOf(ENTRIES)), isZip(bytes('PK')), isZip(bytes('version'))]).toEqual([true, false, false])
  })
})

describe('refused', () => {
  test('an entry that is missing, compressed or encrypted', async () => {
    const entries: RawEntry[] = [
      { name: 'm/deflated', bytes: bytes('x'), method: 8 },
      { name: 'm/encrypted', bytes: bytes('x'), flags: 1 },
    ]
    const zip = await openZip(new MemorySource('m.bin', zipOf(entries)))
    expect(await inputError(() => zip.entry('m/deflated'))).toBe(
      'm.bin: the entry "m/deflated" must be stored as it is, got a compressed one (method 8); write the file with torch.save',
    )
    expect(await inputError(() => zip.entry('m/encrypted'))).toMatch(/got an encrypted one/)
    expect(await inputError(() => zip.entry('m/none'))).toBe(
      'm.bin: must hold the entry "m/none", got an archive without it; download it again',
    )
  })

  test('two entries of one name', async () => {
    const source = new MemorySource('m.bin', zipOf([ENTRIES[0], ENTRIES[0]]))
    expect(await inputError(openZip(source))).toMatch(/names of their own, got "m\/data\.pkl" twice/)
  })

  test.each<[string, (zip: Uint8Array, view: DataView, end: number) => void, RegExp]>([
    ['no end', (zip, _, end) => zip.fill(0, end), /got an end without it \(cut short\?\)/],
    [
      'a directory beyond its end',
      (_, view, end) => view.setUint32(end + 16, 1e6, true),
      /must lie before byte/,
    ],
    [
      'a directory at another place',
      (_, view, end) => view.setUint32(end + 16, 3, true),
      /central directory must list/,
    ],
    [
      'another number of entries',
      (_, view, end) => view.setUint16(end + 10, 7, true),
      /must list 7 entries .* got 3/,
    ],
    [
      'a directory that is cut short',
      (_, view, end) => view.setUint32(end + 12, 100, true),
      /must list 3 entries/,
    ],
  ])('%s', async (_, damage, message) => {
    const zip = zipOf(ENTRIES)
    damage(zip, new DataView(zip.buffer), zip.length - 22)
    expect(await inputError(openZip(new MemorySource('m.bin', zip)))).toMatch(message)
  })

  test('zip64 with a record that is not there', async () => {
    for (const at of [0n, 2n ** 60n, 2n ** 64n - 1n]) {
      const zip = zipOf(ENTRIES, { zip64: true })
      new DataView(zip.buffer).setBigUint64(zip.length - 22 - 20 + 8, at, true)
      expect(await inputError(openZip(new MemorySource('m.bin', zip)))).toMatch(
        /zip64 end record must lie at byte/,
      )
    }
  })

  test('an entry that its own header moves beyond the end', async () => {
    const zip = zipOf(ENTRIES.slice(0, 1))
    new DataView(zip.buffer).setUint16(28, 0xffff, true)
    const opened = await openZip(new MemorySource('m.bin', zip))
    expect(await inputError(opened.dataStart(opened.entry('m/data.pkl')))).toMatch(
      /must begin with its header at byte 0 and end before \d+, got other bytes/,
    )
  })

  test('an entry whose header is elsewhere, or whose content is longer than the file', async () => {
    const zip = zipOf(ENTRIES)
    const view = new DataView(zip.buffer)
    const directory = view.getUint32(zip.length - 6, true)
    view.setUint32(directory + 42, 2, true)
    const moved = await openZip(new MemorySource('m.bin', zip))
    expect(await inputError(moved.dataStart(moved.entry('m/data.pkl')))).toMatch(
      /must begin with its header at byte 2/,
    )
    view.setUint32(directory + 20, 1e6, true)
    view.setUint32(directory + 24, 1e6, true)
    const long = await openZip(new MemorySource('m.bin', zip))
    expect(await inputError(() => long.entry('m/data.pkl'))).toMatch(
      /must lie before byte \d+, got 1000000 bytes from 2/,
    )
  })
})
