/** The frame of the page: views, settings, what computes. */
import { useEffect, useErrorBoundary } from 'preact/hooks'
import { Segments, sentence } from './components/basics.js'
import { device, place, serverThere } from './engine/engine.js'
import { address, addressOf, VIEWS, type View } from './state/address.js'
import { computing } from './state/call.js'
import { theme, themeChoice } from './state/theme.js'
import { Compare } from './views/compare.js'
import { Cut } from './views/cut.js'
import { Explore } from './views/explore.js'
import { Learn } from './views/learn.js'
import { Studies } from './views/studies/studies.js'

const NAMES: Readonly<Record<View, string>> = {
  explore: 'Explore',
  compare: 'Compare',
  cut: 'Cut by hand',
  studies: 'Studies',
  learn: 'Learn',
}
const COMPONENTS: Readonly<Record<View, () => preact.JSX.Element>> = {
  explore: Explore,
  compare: Compare,
  cut: Cut,
  studies: Studies,
  learn: Learn,
}

export function App() {
  const { view } = address.value
  useEffect(() => {
    document.title = `${NAMES[view]} · factflow`
  }, [view])
  const Current = COMPONENTS[view]
  return (
    <>
      {/* Not a link: the address is the view's. */}
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        To the content
      </button>
      <header class="bar">
        <a class="brand" href={addressOf('explore')}>
          <img src="./icon.svg" alt="" width="26" height="26" />
          <b>factflow</b>
        </a>
        <nav aria-label="Views">
          {VIEWS.map((one) => (
            <a key={one} href={addressOf(one)} aria-current={one === view ? 'page' : undefined}>
              {NAMES[one]}
            </a>
          ))}
        </nav>
        <Settings />
      </header>
      <main id="main" tabIndex={-1}>
        <Boundary key={view}>
          <Current />
        </Boundary>
      </main>
    </>
  )
}

/** An error of a view does not take the others with it. */
function Boundary({ children }: { children: preact.ComponentChildren }) {
  const [error, reset] = useErrorBoundary()
  if (!error) return <>{children}</>
  return (
    <div class="panel" role="alert">
      <h1>This view has failed</h1>
      <p>{sentence(error instanceof Error ? error.message : String(error))}</p>
      <button type="button" class="button" onClick={reset}>
        Try again
      </button>
    </div>
  )
}

/** `in this page: WebAssembly, 2 threads` */
function placeText(): string {
  const where = place.value === 'server' ? 'by the server' : 'in this page'
  // The version is for the foot of a result.
  const what = computing.value
    ?.split(', ')
    .slice(1)
    .join(', ')
    .replace(/ \(.*\)/, '')
  return what ? `${where}: ${what}` : where
}

/** What computes and how the page looks. */
function Settings() {
  const isolated = globalThis.crossOriginIsolated
  return (
    <details class="settings">
      <summary>
        <span class="visually-hidden">Settings. Computed </span>
        <span class="settings-place">{placeText()}</span>
        <span aria-hidden="true">▾</span>
      </summary>
      <div class="settings-menu">
        {serverThere && (
          <Segments
            label="Computed by"
            value={place.value}
            options={[
              { value: 'server', label: 'the server' },
              { value: 'page', label: 'this page' },
            ]}
            onChange={(chosen) => {
              place.value = chosen
            }}
          />
        )}
        {place.value === 'page' && (
          <Segments
            label="In this page on"
            value={device.value}
            options={[
              { value: 'auto', label: 'what is there' },
              { value: 'webgpu', label: 'WebGPU' },
              { value: 'wasm', label: 'WebAssembly' },
            ]}
            onChange={(chosen) => {
              device.value = chosen
            }}
          />
        )}
        {place.value === 'page' && !isolated && (
          <p class="hint">
            WebAssembly has one thread here: more need a page that is served with the headers COOP and COEP,
            as factflow ui does.
          </p>
        )}
        <Segments
          label="Colours"
          value={themeChoice.value}
          options={[
            { value: 'auto', label: `as the system (${theme.value})` },
            { value: 'light', label: 'light' },
            { value: 'dark', label: 'dark' },
          ]}
          onChange={(chosen) => {
            themeChoice.value = chosen
          }}
        />
        <p class="hint">
          {place.value === 'server'
            ? 'Prompts go to the server on this machine, nowhere else.'
            : 'Prompts do not leave this page; models come from its server or the Hugging Face Hub.'}
        </p>
      </div>
    </details>
  )
}
