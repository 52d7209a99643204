/** A checkpoint under other names: layouts that differ from Hugging Face's in spelling alone. */
import { type Checkpoint, viewOf } from './checkpoint.js'

export interface Renaming {
  /** The tensor's name in the layout that is wanted, by its name in the file. */
  readonly tensor: (name: string) => string
  /** The config in the layout that is wanted; default as it is. */
  readonly config?: Readonly<Record<string, unknown>>
}

/** A view of `checkpoint` in another layout; nothing is read or copied. Closing the view closes it. */
export function renamed(checkpoint: Checkpoint, renaming: Renaming): Checkpoint {
  const original = new Map(checkpoint.names().map((name) => [renaming.tensor(name), name]))
  // A name that the file does not have goes through as it is, for the error that says so.
  const inFile = (name: string): string => original.get(name) ?? name
  return viewOf(checkpoint, {
    config: renaming.config ?? checkpoint.config,
    names: () => [...original.keys()],
    has: (name) => original.has(name),
    shape: (name) => checkpoint.shape(inFile(name)),
    tensor: (name, shape, into) => checkpoint.tensor(inFile(name), shape, into),
    rows: (name, shape, first, count, into) => checkpoint.rows(inFile(name), shape, first, count, into),
  })
}
