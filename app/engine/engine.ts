/** Which engine computes: a worker in the page, or the local server. */
import { computed, effect, signal } from '@preact/signals'
import type { Engine } from '../../src/ui/protocol.js'
import { stored } from '../state/stored.js'
import { DEVICES, type Device } from './messages.js'
import { PageEngine } from './page-engine.js'
import { ServerEngine } from './server-engine.js'

/** Where computing happens. */
export type Place = 'server' | 'page'

/** The server puts it into the page that it serves. */
const api = document.querySelector<HTMLMetaElement>('meta[name="factflow-server"]')?.content

export const serverThere = api !== undefined
export const place = stored<Place>('place', serverThere ? ['server', 'page'] : ['page'])
export const device = stored<Device>('device', DEVICES)

/** The local server, also where the page computes: it has stored results. */
export const server: Engine | undefined =
  api === undefined ? undefined : new ServerEngine(new URL(`${api}/`, document.baseURI))
const page = signal<PageEngine | undefined>(undefined)

// A worker is made when it is first asked for, and again when another device is chosen.
let made: Device | undefined
function pageEngineOf(chosen: Device): PageEngine {
  if (page.peek() && made === chosen) return page.peek()!
  page.peek()?.close()
  made = chosen
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'factflow' })
  const engine = new PageEngine(worker, { kind: 'start', device: chosen, base: document.baseURI })
  page.value = engine
  return engine
}

let studies: PageEngine | undefined

/**
 * What answers about stored results that were dropped on the page: a worker of its own, which no computation keeps
 * waiting, and which stays when another device is chosen.
 */
export function droppedStudies(): PageEngine {
  studies ??= new PageEngine(
    new Worker(new URL('./studies-worker.ts', import.meta.url), { type: 'module', name: 'studies' }),
  )
  return studies
}

export const engine = computed<Engine>(() => {
  if (place.value === 'server' && server) return server
  return pageEngineOf(device.value)
})

/** What results depend on beside the question. */
export const engineKey = computed(() => (place.value === 'server' ? 'server' : `page ${device.value}`))

effect(() => {
  document.documentElement.dataset.place = place.value
})
