/** Settings of the visitor that outlive the page. */
import { effect, type Signal, signal } from '@preact/signals'

/**
 * One of `values`, remembered under a name; the first unless another was chosen. An address may choose it for its own
 * visit: `?name=value`, until the visitor chooses.
 */
export function stored<T extends string>(name: string, values: readonly T[]): Signal<T> {
  const key = `factflow-${name}`
  const known = (value: string | null): T | undefined => values.find((one) => one === value)
  const asked = known(new URLSearchParams(location.search).get(name))
  const setting = signal<T>(asked ?? known(read(key)) ?? values[0]!)
  let first = true
  effect(() => {
    const { value } = setting
    if (first) {
      first = false
      return
    }
    try {
      const query = new URLSearchParams(location.search)
      query.delete(name)
      const rest = query.size > 0 ? `?${query}` : ''
      history.replaceState(null, '', `${location.pathname}${rest}${location.hash}`)
      localStorage.setItem(key, value)
    } catch {
      // Without storage the setting lasts as long as the page.
    }
  })
  return setting
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}
