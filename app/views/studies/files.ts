/** Files and folders that a visitor drops or picks. */
import type { DroppedFile } from '../../engine/messages.js'

/** What was dropped, folders whole. It must be asked before the event's handler ends. */
export async function filesOfDrop(transfer: DataTransfer): Promise<DroppedFile[]> {
  const items = [...transfer.items].filter(({ kind }) => kind === 'file')
  const dropped = items.map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }))
  const found = await Promise.all(
    dropped.map(({ entry, file }) => {
      if (entry) return filesOfEntry(entry)
      // What is no file of a file system: an attachment of a message, say.
      return file ? [{ path: file.name, file }] : []
    }),
  )
  return found.flat()
}

async function filesOfEntry(entry: FileSystemEntry): Promise<DroppedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    )
    return [{ path: entry.fullPath.replace(/^\//, ''), file }]
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const all: DroppedFile[] = []
  for (;;) {
    // A folder comes in pieces, the last one empty.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    )
    if (some.length === 0) return all
    for (const files of await Promise.all(some.map(filesOfEntry))) all.push(...files)
  }
}

/** What was picked: single files, or a folder. */
export function filesOfInput(list: FileList): DroppedFile[] {
  return [...list].map((file) => ({ path: file.webkitRelativePath || file.name, file }))
}
