/** What of a study is shown: lines, plots, and which prompts. */
import { useId } from 'preact/hooks'
import type { StudyOverview } from '../../../src/ui/study-protocol.js'
import { Segments, Select } from '../../components/basics.js'
import {
  DIMENSIONS,
  type Dimension,
  FACTS,
  type Option,
  type Resolved,
  type StudiesView,
  VALUES,
} from './view.js'

const DIMENSION_WORDS: Readonly<Record<Dimension, string>> = {
  source: 'Source',
  model: 'Model',
  features: 'Features',
  target: 'Target',
  window: 'Window',
  dataset: 'Data set',
}
const KNOWN_WORDS = { any: 'all', known: 'known', unknown: 'unknown' } as const
const VALUE_WORDS = { change: 'change of p', accuracy: 'accuracy' } as const
/** In which order choices stand. */
const ORDER = ['model', 'source', 'target', 'features', 'window', 'dataset'] as const
/** What a select has where nothing is chosen: no name of the data. */
const NONE = ''

export interface FiltersProps {
  readonly view: StudiesView
  readonly resolved: Resolved
  readonly overview: StudyOverview
  readonly onChange: (changes: Partial<StudiesView>) => void
}

export function Filters({ view, resolved, overview, onChange }: FiltersProps) {
  const { lines, panels, chosen } = view
  const choose = (dimension: Dimension, values: readonly string[] | undefined): void => {
    const { [dimension]: _, ...rest } = chosen
    onChange({ chosen: values === undefined ? rest : { ...rest, [dimension]: values } })
  }
  const isSeveral = (dimension: Dimension): boolean => dimension === lines || dimension === panels
  const single = ORDER.filter((dimension) => !isSeveral(dimension) && resolved.options[dimension].length > 1)
  const several = ORDER.filter(isSeveral)
  return (
    <div class="study-filters">
      <div class="study-selects">
        <Select
          label="Lines differ in"
          value={lines}
          options={DIMENSIONS.map((value) => ({ value, label: DIMENSION_WORDS[value].toLowerCase() }))}
          onChange={(value) => onChange({ lines: value, panels: panels === value ? undefined : panels })}
        />
        <Select
          label="Plots differ in"
          value={panels ?? NONE}
          options={[
            { value: NONE, label: 'nothing: one plot' },
            ...DIMENSIONS.filter((value) => value !== lines).map((value) => ({
              value,
              label: DIMENSION_WORDS[value].toLowerCase(),
            })),
          ]}
          onChange={(value) => onChange({ panels: value === NONE ? undefined : (value as Dimension) })}
        />
        {single.map((dimension) => (
          <Select
            key={dimension}
            label={DIMENSION_WORDS[dimension]}
            value={resolved.shown[dimension][0]!}
            options={resolved.options[dimension].map(({ value, label, possible }) => ({
              value,
              label: possible ? label : `${label} (not with this)`,
            }))}
            onChange={(value) => choose(dimension, [value])}
          />
        ))}
        {overview.promptSets.length > 0 && (
          <Select
            label="Prompt set"
            value={view.promptSet ?? NONE}
            options={[
              { value: NONE, label: 'all stored prompts' },
              ...overview.promptSets.map((value) => ({ value, label: value })),
            ]}
            onChange={(value) => onChange({ promptSet: value === NONE ? undefined : value })}
          />
        )}
        <Segments
          label="Facts"
          value={view.known}
          options={FACT_OPTIONS.map((option) => ({
            ...option,
            disabled: !overview.evaluated && option.value !== 'any',
            ...(!overview.evaluated && { title: 'What the models know was not stored' }),
          }))}
          onChange={(known) => onChange({ known })}
        />
        <Segments
          label="Shown"
          value={view.value}
          options={VALUES.map((value) => ({ value, label: VALUE_WORDS[value] }))}
          onChange={(value) => onChange({ value })}
        />
      </div>
      {several.map((dimension) => (
        <Chips
          key={dimension}
          label={DIMENSION_WORDS[dimension]}
          options={resolved.options[dimension]}
          chosen={resolved.shown[dimension]}
          onChange={(values) =>
            choose(dimension, values.length === resolved.options[dimension].length ? undefined : values)
          }
        />
      ))}
      {overview.relations.length > 0 && (
        <Relations all={overview.relations} view={view} onChange={onChange} />
      )}
    </div>
  )
}

const FACT_OPTIONS = FACTS.map((value) => ({ value, label: KNOWN_WORDS[value] }))

interface ChipsProps {
  readonly label: string
  readonly options: readonly Option[]
  readonly chosen: readonly string[]
  readonly onChange: (values: readonly string[]) => void
}

/** Any of several, at least one. */
function Chips({ label, options, chosen, onChange }: ChipsProps) {
  return (
    <fieldset class="chips">
      <legend>{label}</legend>
      <div>
        {options.map(({ value, label: text, possible }) => {
          const on = chosen.includes(value)
          return (
            <label
              key={value}
              class={possible ? '' : 'is-absent'}
              title={possible ? undefined : 'Not stored with what else is chosen'}
            >
              <input
                type="checkbox"
                checked={on}
                disabled={on && chosen.length === 1}
                onChange={() =>
                  onChange(
                    options
                      .map((option) => option.value)
                      .filter((one) => (one === value ? !on : chosen.includes(one))),
                  )
                }
              />
              <span>{text}</span>
            </label>
          )
        })}
      </div>
    </fieldset>
  )
}

interface RelationsProps extends Pick<FiltersProps, 'view' | 'onChange'> {
  readonly all: readonly string[]
}

/** Any relations; all facts where none is chosen. */
function Relations({ all, view, onChange }: RelationsProps) {
  const id = useId()
  const { relation } = view
  const rest = all.filter((name) => !relation.includes(name))
  return (
    <fieldset class="chips">
      <legend>Relations</legend>
      <div>
        {relation.map((name) => (
          <button
            key={name}
            type="button"
            class="chip"
            aria-label={`Remove the relation ${name}`}
            onClick={() => onChange({ relation: relation.filter((one) => one !== name) })}
          >
            {name} <span aria-hidden="true">✕</span>
          </button>
        ))}
        <label class="visually-hidden" for={id}>
          Add a relation
        </label>
        <select
          id={id}
          value=""
          disabled={rest.length === 0}
          onChange={(event) => onChange({ relation: [...relation, event.currentTarget.value] })}
        >
          <option value="">{relation.length === 0 ? `all ${all.length} relations` : 'add one'}</option>
          {rest.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </div>
    </fieldset>
  )
}
