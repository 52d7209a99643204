/** Which model: those that are here, those of the paper, or any id of the Hugging Face Hub. */

import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { ModelEntry } from '../../src/ui/protocol.js'
import { engine, place } from '../engine/engine.js'
import { Dialog } from './dialog.js'
import { bytes, parameters } from './format.js'

export interface ModelPickerProps {
  readonly label: string
  readonly value: string
  readonly onChange: (model: string) => void
}

/** What fits WebAssembly's 4 GB of memory, with the rows that are computed. */
const PAGE_LIMIT = 3.5e9

function useModels(): readonly ModelEntry[] {
  const [models, setModels] = useState<readonly ModelEntry[]>([])
  const current = engine.value
  useEffect(() => {
    let wanted = true
    current.call('models', {}).then(
      (found) => wanted && setModels(found),
      () => wanted && setModels([]),
    )
    return () => {
      wanted = false
    }
  }, [current])
  return models
}

const GROUPS = [
  ['embedded', 'With factflow'],
  ['folder', 'Given to the server'],
  ['cache', 'In the cache'],
  ['paper', 'Models of the paper, from the Hub'],
] as const

export function ModelPicker({ label, value, onChange }: ModelPickerProps) {
  const models = useModels()
  const dialog = useRef<HTMLDialogElement>(null)
  const [typed, setTyped] = useState('')
  const id = useId()
  const known = models.find(({ name }) => name === value)
  const fits = ({ least }: ModelEntry): boolean => place.value === 'server' || least <= PAGE_LIMIT
  const pick = (name: string): void => {
    dialog.current?.close()
    if (name !== value) onChange(name)
  }
  return (
    <div class="field model-picker">
      <span id={`${id}-label`}>{label}</span>
      <button
        id={`${id}-button`}
        type="button"
        class="button is-select"
        aria-haspopup="dialog"
        aria-labelledby={`${id}-label ${id}-button`}
        onClick={() => dialog.current?.showModal()}
      >
        <b>{value}</b>
        <small>{known ? `${known.family}, ${known.layers} layers` : ' '}</small>
      </button>
      <Dialog
        label={label}
        dialog={dialog}
        head={
          <form
            class="picker-form"
            onSubmit={(event) => {
              event.preventDefault()
              if (typed.trim() !== '') pick(typed.trim())
            }}
          >
            <label class="field">
              <span>Any model of the Hub, by its id</span>
              <input
                type="text"
                placeholder="state-spaces/mamba-130m-hf"
                value={typed}
                onInput={(event) => setTyped(event.currentTarget.value)}
              />
            </label>
            <button type="submit" class="button">
              Open
            </button>
          </form>
        }
      >
        <div class="picker-list">
          {GROUPS.map(([source, title]) => {
            const own = models.filter((model) => model.source === source)
            return (
              own.length > 0 && (
                <section key={source}>
                  <h3>{title}</h3>
                  {own.map((model) => (
                    <button
                      type="button"
                      key={model.name}
                      class="model-option"
                      aria-current={model.name === value}
                      disabled={!fits(model)}
                      onClick={() => pick(model.name)}
                    >
                      <b>{model.name}</b>
                      <small>
                        {model.family}, {model.layers} layers, {parameters(model.parameters)} parameters
                        {model.cached ? '' : `, ${bytes(model.disk)} to fetch`}
                        {model.gated ? ', licence to be accepted on the Hub' : ''}
                        {fits(model)
                          ? ''
                          : `; needs ${bytes(model.least)} of memory, more than a page has: use factflow ui`}
                      </small>
                    </button>
                  ))}
                </section>
              )
            )
          })}
        </div>
      </Dialog>
    </div>
  )
}
