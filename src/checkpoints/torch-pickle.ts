/** Pickles of PyTorch, read without running anything. */
import { Parser } from 'pickleparser'
import { InputError } from '../errors.js'
import { findGlobal, findStorage, type Storage } from './torch-globals.js'
import { makeSafe } from './torch-opcodes.js'

/**
 * About 12,000 tensors; models have hundreds. Every byte can make an object, so this bounds the memory that a
 * malicious pickle takes, too: 2 MiB of empty dictionaries take half a gigabyte.
 */
export const MAX_PICKLE_BYTES = 2 ** 21

export interface Unpickled {
  readonly value: unknown
  /** All storages that it mentions, by key; the first of each. */
  readonly storages: ReadonlyMap<string, Storage>
  /** Where the pickle ends. */
  readonly end: number
}

/**
 * Read the pickle that begins at `begin`: dictionaries are Maps, lists and tuples arrays, tensors `Tensor`s.
 *
 * Anything may be cyclic, or share parts many times over: do not walk through it without a limit.
 *
 * @param bytes are changed (see torch-opcodes).
 * @returns undefined when `bytes` end before the pickle does.
 * @throws InputError when it is damaged, or could run code.
 */
export function unpickle(bytes: Uint8Array, begin: number, file: string): Unpickled | undefined {
  const end = makeSafe(bytes, begin, file)
  if (end === undefined) return undefined
  const storages = new Map<string, Storage>()
  const parser = new Parser({
    unpicklingTypeOfDictionary: 'Map', // keys of a plain object could be `__proto__`
    // The library's type knows only functions; it calls what is none nowhere but where that is an error.
    nameResolver: { resolve: (module, name) => findGlobal(module, name, file) as () => unknown },
    persistentResolver: {
      resolve(id) {
        const storage = findStorage(id)
        if (!storages.has(storage.key)) storages.set(storage.key, storage)
        return storage
      },
    },
  })
  try {
    return { value: parser.parse(bytes.subarray(begin, end)), storages, end }
  } catch (error) {
    if (error instanceof InputError) throw error
    // The library meets what is not there, or something of the wrong type, with errors of any kind.
    throw damagedPickle(file, 'a damaged one')
  }
}

export function damagedPickle(file: string, got: string): InputError {
  return new InputError(
    `${file}: its pickle, the list of the tensors, must be whole, got ${got}; download it again`,
  )
}
