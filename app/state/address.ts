/** What the page shows is in its address: `#/view?name=value&…`. Every view restores itself from it. */
import { signal } from '@preact/signals'

export const VIEWS = ['explore', 'compare', 'cut', 'studies', 'learn'] as const
export type View = (typeof VIEWS)[number]

export interface Address {
  readonly view: View
  readonly params: URLSearchParams
}

/** Names and values; what is undefined is left out. */
export type Params = Readonly<Record<string, string | number | undefined>>

export function parseAddress(hash: string): Address {
  const [, path = '', query = ''] = /^#?\/?([^?]*)\??(.*)$/.exec(hash) ?? []
  const view = VIEWS.find((known) => known === path.split('/')[0]) ?? 'explore'
  return { view, params: new URLSearchParams(query) }
}

/** `#/explore?model=tiny-mamba1` */
export function addressOf(view: View, params: Params | URLSearchParams = {}): string {
  const query = new URLSearchParams()
  const entries = params instanceof URLSearchParams ? [...params] : Object.entries(params)
  for (const [name, value] of entries) if (value !== undefined) query.append(name, String(value))
  // What is readable stays readable.
  const text = query
    .toString()
    .replaceAll('%2C', ',')
    .replaceAll('%3E', '>')
    .replaceAll('%3A', ':')
    .replaceAll('%3B', ';')
    .replaceAll('%2F', '/')
  return `#/${view}${text === '' ? '' : `?${text}`}`
}

export const address = signal<Address>(parseAddress(location.hash))

addEventListener('hashchange', () => {
  address.value = parseAddress(location.hash)
})

/**
 * Show something else. Changes of a view (another window, another cell) replace the address; other prompts, models and
 * views are steps that the browser's back button undoes.
 */
export function go(view: View, params: Params | URLSearchParams, { step = false } = {}): void {
  const hash = addressOf(view, params)
  if (hash === location.hash) return
  if (step) history.pushState(null, '', hash)
  else history.replaceState(null, '', hash)
  address.value = parseAddress(hash)
}

/** Change some parameters of the view that is shown. */
export function change(changes: Params, options: { step?: boolean } = {}): void {
  const { view, params } = address.peek()
  const next = new URLSearchParams(params)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(name)
    else next.set(name, String(value))
  }
  go(view, next, options)
}
