/** Builds checkpoint files and folders, and looks at errors. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { InputError } from '../../src/errors.js'

export * from './bytes.js'

/** The message of the InputError that `run` must end in: one line, `where: ...; what to do`. */
export async function inputError(run: Promise<unknown> | (() => unknown)): Promise<string> {
  let caught: unknown
  try {
    await (typeof run === 'function' ? run() : run)
  } catch (error) {
    caught = error
  }
  expect(caught).toBeInstanceOf(InputError)
  const { message } = caught as InputError
  expect(message).toMatch(/^[^:]+: .+; .+$/) // `.` stops at line ends: this is one line
  return message
}

const folders: string[] = []
afterAll(() => {
  for (const dir of folders) rmSync(dir, { recursive: true, force: true })
})

/** A folder that is removed after the tests of this file, and a way to put files into it. */
export function temporaryFolder(): {
  dir: string
  write(file: string, content: string | Uint8Array): string
} {
  const dir = mkdtempSync(join(tmpdir(), 'factflow-checkpoints-'))
  folders.push(dir)
  return {
    dir,
    write(file, content) {
      const path = join(dir, file)
      writeFileSync(path, content)
      return path
    },
  }
}

/** A folder with these files; objects are written as JSON. */
export function folder(files: Record<string, string | Uint8Array | object>): string {
  const { dir, write } = temporaryFolder()
  for (const [file, content] of Object.entries(files)) {
    const bytes = typeof content === 'string' || content instanceof Uint8Array
    write(file, bytes ? content : JSON.stringify(content))
  }
  return dir
}
