/** Where studies come from: the local server, and files that were dropped on the page. */
import { signal } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { CallProgress } from '../../../src/ui/protocol.js'
import type { StudyEntry } from '../../../src/ui/study-protocol.js'
import { droppedStudies, server } from '../../engine/engine.js'
import type { DroppedFile } from '../../engine/messages.js'
import { type Answerer, type Called, useCall } from '../../state/call.js'
import type { StudyPlace } from './view.js'

interface Dropped {
  /** How often files were added: a study may have been replaced. */
  readonly version: number
  readonly entries: readonly StudyEntry[]
  /** What could not be used the last time, and why. */
  readonly problems: readonly string[]
  readonly reading?: { readonly progress?: CallProgress; readonly cancel: () => void }
}

export const dropped = signal<Dropped>({ version: 0, entries: [], problems: [] })

/**
 * Add files of results.
 * @returns the study to show: the newest, undefined when there is none in them
 */
export async function addFiles(files: readonly DroppedFile[]): Promise<StudyEntry | undefined> {
  const stop = new AbortController()
  const cancel = (): void => stop.abort(new DOMException('cancelled', 'AbortError'))
  dropped.value.reading?.cancel()
  dropped.value = { ...dropped.value, problems: [], reading: { cancel } }
  const before = dropped.value.entries
  try {
    const studies = droppedStudies()
    const problems = await studies.addFiles(files, {
      signal: stop.signal,
      onProgress: (progress) => {
        dropped.value = { ...dropped.value, reading: { progress, cancel } }
      },
    })
    const entries = await studies.call('studies', {})
    dropped.value = { version: dropped.value.version + 1, entries, problems }
    // What was read last stands last; with problems alone nothing was added.
    const added = entries.length > before.length || problems.length === 0
    return added ? entries.at(-1) : undefined
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    const problems = stop.signal.aborted ? [] : [text]
    dropped.value = { version: dropped.value.version, entries: before, problems }
    return undefined
  }
}

const NOTHING: Called<readonly StudyEntry[]> = {
  result: [],
  busy: false,
  stale: false,
  cancel: () => undefined,
  retry: () => undefined,
}

/** What answers about the studies of a place; undefined where that has none. */
export function useAnswerer(place: StudyPlace): Answerer | undefined {
  const { version } = dropped.value
  return useMemo(() => {
    if (place === 'server') return server && { engine: server, key: 'server studies' }
    return version === 0 ? undefined : { engine: droppedStudies(), key: `dropped ${version}` }
  }, [place, version])
}

/** The studies of the server. */
export function useServerStudies(): Called<readonly StudyEntry[]> {
  const answerer = useAnswerer('server')
  const called = useCall('studies', answerer && {}, answerer)
  return answerer ? called : NOTHING
}
