/** Undo and redo over states. */
export interface History<T> {
  /** Oldest first. */
  readonly past: readonly T[]
  readonly present: T
  /** What was undone, the next one first. */
  readonly future: readonly T[]
}

/** Steps that can be undone. */
const MOST = 200

export function begin<T>(present: T): History<T> {
  return { past: [], present, future: [] }
}

/** Another state. @param merge it takes the place of the present one, as while a handle is dragged */
export function visit<T>(history: History<T>, state: T, merge = false): History<T> {
  if (state === history.present) return history
  if (merge) return { ...history, present: state }
  return { past: [...history.past, history.present].slice(-MOST), present: state, future: [] }
}

/** One step back; the same history when there is none. */
export function undo<T>({ past, present, future }: History<T>): History<T> {
  if (past.length === 0) return { past, present, future }
  return { past: past.slice(0, -1), present: past.at(-1)!, future: [present, ...future] }
}

export function redo<T>({ past, present, future }: History<T>): History<T> {
  const [next, ...rest] = future
  if (next === undefined) return { past, present, future }
  return { past: [...past, present], present: next, future: rest }
}
