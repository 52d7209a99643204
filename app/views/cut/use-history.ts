/** Undo and redo of what a view's address says. */
import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { go } from '../../state/address.js'
import { begin, type History, redo, undo, visit } from '../../state/history.js'

/** It outlives the view, so that looking at another one loses nothing. */
const history = signal<History<string> | undefined>(undefined)

/** Changes of one kind that follow each other within this time are one step, in milliseconds. */
const TOGETHER = 1000

/** Parameters that are not worth a step. */
const SELECTION = 'cut'

function worth(text: string): string {
  const params = new URLSearchParams(text)
  params.delete(SELECTION)
  return params.toString()
}

export interface Steps {
  readonly undo: (() => void) | undefined
  readonly redo: (() => void) | undefined
  /** Says before a change of which kind it is. */
  readonly mark: (kind: string | undefined) => void
}

export function useHistory(params: string): Steps {
  const last = useRef<{ kind: string | undefined; at: number }>({ kind: undefined, at: 0 })
  const merge = useRef(false)
  useEffect(() => {
    const before = history.peek()
    if (!before) history.value = begin(params)
    else {
      const same = worth(before.present) === worth(params)
      history.value = visit(before, params, same || merge.current)
    }
    merge.current = false
  }, [params])
  const step = (move: (from: History<string>) => History<string>): void => {
    const before = history.peek()
    if (!before) return
    const after = move(before)
    if (after === before) return
    history.value = after
    last.current = { kind: undefined, at: 0 }
    go('cut', new URLSearchParams(after.present))
  }
  const now = history.value
  const back = now && now.past.length > 0 ? () => step(undo) : undefined
  const forth = now && now.future.length > 0 ? () => step(redo) : undefined
  const keys = useRef({ back, forth })
  keys.current = { back, forth }
  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return
      // Fields that are typed in have their own undo.
      if ((event.target as Element).matches?.('input[type=text], input[type=search], textarea')) return
      const name = event.key.toLowerCase()
      if (name !== 'z' && name !== 'y') return
      event.preventDefault()
      if (name === 'y' || event.shiftKey) keys.current.forth?.()
      else keys.current.back?.()
    }
    addEventListener('keydown', key)
    return () => removeEventListener('keydown', key)
  }, [])
  return {
    undo: back,
    redo: forth,
    mark: (kind) => {
      const at = Date.now()
      merge.current = kind !== undefined && kind === last.current.kind && at - last.current.at < TOGETHER
      last.current = { kind, at }
    },
  }
}
