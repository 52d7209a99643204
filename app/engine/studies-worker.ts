/** Answers about stored results that were dropped on the page. */
import { PageStudies } from '../../src/ui/page-studies.js'
import { Answering } from './answering.js'
import type { ToWorker } from './messages.js'

const studies = new PageStudies()
const answering = new Answering()

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.kind) {
    case 'files':
      void answering.answer(data.id, (options) => studies.add(data.files, options))
      break
    case 'call': {
      const { id, name, input } = data
      const calls = studies as unknown as Record<string, (input: unknown) => Promise<unknown>>
      void answering.answer(id, () => calls[name]!(input))
      break
    }
    case 'cancel':
      answering.cancel(data.id)
      break
  }
}
