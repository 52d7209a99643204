/** Which study: those of the server, and files that are dropped on the page. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { StudyEntry } from '../../../src/ui/study-protocol.js'
import { bytes } from '../../components/format.js'
import type { DroppedFile } from '../../engine/messages.js'
import { filesOfDrop, filesOfInput } from './files.js'
import { addFiles, dropped } from './sources.js'
import type { StudiesView, StudyPlace } from './view.js'

export interface StudySourceProps {
  readonly view: StudiesView
  /** Of the server. */
  readonly studies: readonly StudyEntry[]
  readonly onPick: (from: StudyPlace, study: string) => void
}

export function StudySource({ view, studies, onPick }: StudySourceProps) {
  const { entries, problems, reading } = dropped.value
  const [over, setOver] = useState(false)
  const add = async (files: readonly DroppedFile[] | Promise<DroppedFile[]>): Promise<void> => {
    const entry = await addFiles(await files)
    if (entry) onPick('page', entry.study)
  }
  const latest = useRef(add)
  latest.current = add
  // Anywhere on the page: a file that misses its place must not replace the app.
  useEffect(() => {
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
    const drag = (event: DragEvent): void => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setOver(true)
    }
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false)
    }
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setOver(false)
      void latest.current(filesOfDrop(event.dataTransfer!))
    }
    addEventListener('dragover', drag)
    addEventListener('dragleave', leave)
    addEventListener('drop', drop)
    return () => {
      removeEventListener('dragover', drag)
      removeEventListener('dragleave', leave)
      removeEventListener('drop', drop)
    }
  }, [])
  const key = (from: StudyPlace, study: string): string => `${from} ${study}`
  const all = [
    ...studies.map((entry) => ({ from: 'server' as const, entry })),
    ...entries.map((entry) => ({ from: 'page' as const, entry })),
  ]
  const current = view.study === undefined ? '' : key(view.from, view.study)
  const isListed = all.some(({ from, entry }) => key(from, entry.study) === current)
  const option = ({ from, entry }: (typeof all)[number]) => (
    <option key={key(from, entry.study)} value={key(from, entry.study)}>
      {entry.title === entry.study ? entry.study : `${entry.title} (${entry.study})`}
    </option>
  )
  return (
    <div class={`panel study-source${over ? ' is-over' : ''}`}>
      <label class="field study-select">
        <span>Study</span>
        <select
          value={isListed ? current : ''}
          disabled={all.length === 0}
          onChange={(event) => {
            const found = all.find(({ from, entry }) => key(from, entry.study) === event.currentTarget.value)
            if (found) onPick(found.from, found.entry.study)
          }}
        >
          {!isListed && <option value="">{all.length === 0 ? 'none yet' : 'choose one'}</option>}
          {studies.length > 0 && (
            <optgroup label="On the server">
              {all.filter(({ from }) => from === 'server').map(option)}
            </optgroup>
          )}
          {entries.length > 0 && (
            <optgroup label="Dropped on this page">
              {all.filter(({ from }) => from === 'page').map(option)}
            </optgroup>
          )}
        </select>
      </label>
      <div class="study-drop">
        <p>
          {over
            ? 'Let go to read the files.'
            : 'Drop a run folder, some of its files, or JSON of info-flow or trace; or'}
        </p>
        <div class="study-pick">
          <Pick label="Pick a folder" folder onFiles={add} />
          <Pick label="Pick files" onFiles={add} />
        </div>
      </div>
      <div class="study-reading" role="status">
        {reading && (
          <>
            <progress
              aria-label="reading results"
              max={1}
              value={
                reading.progress ? reading.progress.done / Math.max(1, reading.progress.total) : undefined
              }
            />
            <span>
              {reading.progress
                ? `reading ${bytes(reading.progress.done)} of ${bytes(reading.progress.total)}`
                : 'reading'}
            </span>
            <button type="button" class="button" onClick={reading.cancel}>
              Cancel
            </button>
          </>
        )}
      </div>
      {problems.length > 0 && (
        <div class="study-problems" role="alert">
          <p>
            {problems.length === 1
              ? 'This could not be used:'
              : `${problems.length} files could not be used:`}
          </p>
          <ul>
            {problems.slice(0, MOST_PROBLEMS).map((text) => (
              <li key={text}>{text}.</li>
            ))}
          </ul>
          {problems.length > MOST_PROBLEMS && <p>And {problems.length - MOST_PROBLEMS} more.</p>}
        </div>
      )}
    </div>
  )
}

const MOST_PROBLEMS = 5

interface PickProps {
  readonly label: string
  readonly folder?: boolean
  readonly onFiles: (files: readonly DroppedFile[]) => void
}

function Pick({ label, folder = false, onFiles }: PickProps) {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    input.current!.webkitdirectory = folder
  }, [folder])
  return (
    <>
      <button type="button" class="button" onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        aria-label={label}
        onChange={({ currentTarget }) => {
          if (currentTarget.files) onFiles(filesOfInput(currentTarget.files))
          // The same files can be picked again.
          currentTarget.value = ''
        }}
      />
    </>
  )
}
