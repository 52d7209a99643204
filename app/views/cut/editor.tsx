/** The edited cut in fields: layers by number, windows to choose from, features, roles as sources and targets. */
import { ROLES, type Role, rolePositions } from '../../../src/prompts/roles.js'
import type { EncodedPrompt, ModelInfo } from '../../../src/ui/protocol.js'
import { Segments, Select } from '../../components/basics.js'
import { type Cut, roleOf, windowAt } from '../../state/cuts.js'
import { FEATURE_WORDS } from '../../words.js'

export interface EditorProps {
  readonly cut: Cut
  readonly prompt: EncodedPrompt
  readonly model: ModelInfo
  /** @param kind changes of a kind that follow each other soon are one step of undo */
  readonly onChange: (cut: Cut, kind?: string) => void
}

const HAND = 'by hand'
const FEATURES = ['all', 'context-dependent', 'context-independent'] as const

export function Editor({ cut, prompt, model, onChange }: EditorProps) {
  const { nLayers, defaultWindow, featureCategories } = model
  const { letter, first, last } = cut
  const limits = { length: prompt.tokens.length, subject: prompt.subject }
  const there = ROLES.filter((role) => rolePositions(role, limits).length > 0)
  const roleSelect = (label: string, side: 'sources' | 'targets') => (
    <Select<Role | typeof HAND>
      label={label}
      value={roleOf(cut[side], limits, there) ?? HAND}
      options={[
        { value: HAND, label: 'chosen by hand' },
        ...there.map((role) => ({ value: role, label: role })),
      ]}
      onChange={(role) => role !== HAND && onChange({ ...cut, [side]: rolePositions(role, limits) })}
    />
  )
  const layer = (label: string, end: 'first' | 'last') => (
    <label class="field cut-layer">
      <span>{label}</span>
      <input
        type="number"
        inputMode="numeric"
        min={0}
        max={nLayers - 1}
        value={cut[end]}
        onInput={(event) => {
          const value = event.currentTarget.valueAsNumber
          if (!Number.isInteger(value) || value < 0 || value >= nLayers) return
          const other = end === 'first' ? Math.max(value, last) : Math.min(value, first)
          onChange(
            end === 'first' ? { ...cut, first: value, last: other } : { ...cut, first: other, last: value },
            `${letter} ${end}`,
          )
        }}
      />
    </label>
  )
  const preset = (label: string, window: Pick<Cut, 'first' | 'last'>) => (
    <button
      type="button"
      class="button"
      aria-pressed={window.first === first && window.last === last}
      onClick={() => onChange({ ...cut, ...window })}
    >
      {label}
    </button>
  )
  return (
    <section class="cut-editor" aria-label={`Knockout ${letter}`}>
      <div class="cut-fields">
        {roleSelect('From (sources)', 'sources')}
        {roleSelect('To (targets)', 'targets')}
        {layer('First layer', 'first')}
        {layer('Last layer', 'last')}
      </div>
      <div role="group" class="cut-presets" aria-label="Layers to choose from">
        {preset(`The paper’s window (${defaultWindow})`, windowAt(first, defaultWindow, nLayers))}
        {preset('All layers', { first: 0, last: nLayers - 1 })}
        {preset('One layer', windowAt(first, 1, nLayers))}
      </div>
      <Segments
        label="Features cut"
        value={cut.features}
        options={FEATURES.map((value) => ({
          value,
          label: value,
          disabled: !featureCategories.includes(value),
          title: featureCategories.includes(value)
            ? FEATURE_WORDS[value]
            : 'Only state-space layers have features that forget fast or slowly',
        }))}
        onChange={(features) => onChange({ ...cut, features })}
      />
    </section>
  )
}
