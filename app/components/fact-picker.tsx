/** A search over the embedded facts: type a name, choose a fact. */

import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { PackedRelation, WordedFact } from '../../src/ui/packed-facts.js'
import { findFacts, relationName, relations } from '../state/facts.js'
import { Dialog } from './dialog.js'

const SHOWN = 40

export function FactPicker({ onPick }: { onPick: (fact: WordedFact) => void }) {
  const [all, setAll] = useState<readonly PackedRelation[]>()
  const [error, setError] = useState<string>()
  const [query, setQuery] = useState('')
  const [relation, setRelation] = useState('')
  const [active, setActive] = useState(0)
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  const found = all ? findFacts(all, query, SHOWN, relation || undefined) : []
  const total = all?.reduce((sum, { facts }) => sum + facts.length, 0)

  const open = (): void => {
    dialog.current?.showModal()
    setError(undefined)
    relations().then(setAll, (reason: unknown) =>
      setError(String(reason instanceof Error ? reason.message : reason)),
    )
  }
  const pick = (fact: WordedFact | undefined): void => {
    if (!fact) return
    onPick(fact)
    dialog.current?.close()
  }
  const random = (): void => {
    if (!all) return
    const one =
      relation === ''
        ? all[Math.floor(Math.random() * all.length)]!
        : all.find((r) => r.relation === relation)!
    const [fact] = findFacts(
      [{ ...one, facts: [one.facts[Math.floor(Math.random() * one.facts.length)]!] }],
      '',
      1,
    )
    pick(fact)
  }
  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: 'nearest' })
  }, [active, id])

  return (
    <>
      <button type="button" class="button" onClick={open}>
        Pick a fact
      </button>
      <Dialog
        label="Pick a fact"
        dialog={dialog}
        head={
          <>
            <label class="field">
              <span>Search {total === undefined ? 'the' : total.toLocaleString('en')} facts</span>
              <input
                type="search"
                aria-controls={`${id}-list`}
                aria-activedescendant={found.length > 0 ? `${id}-${active}` : undefined}
                placeholder="Manila, Marie Curie, Toyota…"
                value={query}
                onInput={(event) => {
                  setQuery(event.currentTarget.value)
                  setActive(0)
                }}
                onKeyDown={(event) => {
                  if (event.key === 'ArrowDown') setActive(Math.min(found.length - 1, active + 1))
                  else if (event.key === 'ArrowUp') setActive(Math.max(0, active - 1))
                  else if (event.key === 'Enter') pick(found[active])
                  else return
                  event.preventDefault()
                }}
              />
            </label>
            <label class="field">
              <span>Relation</span>
              <select
                value={relation}
                onChange={(event) => {
                  setRelation(event.currentTarget.value)
                  setActive(0)
                }}
              >
                <option value="">all</option>
                {all?.map((one) => (
                  <option key={one.relation} value={one.relation}>
                    {relationName(one.relation)}
                  </option>
                ))}
              </select>
            </label>
            <button type="button" class="button" onClick={random} disabled={!all}>
              Any
            </button>
          </>
        }
      >
        {error && <p role="alert">{error}</p>}
        <div role="listbox" id={`${id}-list`} aria-label="Facts" class="picker-list">
          {found.map((fact, i) => (
            <div
              role="option"
              key={`${fact.relation} ${fact.subject}`}
              id={`${id}-${i}`}
              tabIndex={-1}
              aria-selected={i === active}
              onPointerMove={() => setActive(i)}
              onClick={() => pick(fact)}
              onKeyDown={(event) => event.key === 'Enter' && pick(fact)}
            >
              <span>
                {fact.prompt.slice(0, fact.start)}
                <mark>{fact.subject}</mark>
                {fact.prompt.slice(fact.end)} <b>{fact.answer}</b>
              </span>
              <small>{relationName(fact.relation)}</small>
            </div>
          ))}
          {all && found.length === 0 && <p class="picker-none">No fact has all of these words.</p>}
          {!all && !error && <p class="picker-none">Fetching the facts…</p>}
        </div>
      </Dialog>
    </>
  )
}
