/** A dialog in front of the page: closed by its button, by Escape, or by a press beside it. */
import type { ComponentChildren, RefObject } from 'preact'

export interface DialogProps {
  readonly label: string
  readonly dialog: RefObject<HTMLDialogElement | null>
  readonly class?: string
  /** Beside the button that closes it. */
  readonly head: ComponentChildren
  readonly children: ComponentChildren
}

export function Dialog({ label, dialog, class: own = '', head, children }: DialogProps) {
  const close = (): void => dialog.current?.close()
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes every dialog
    <dialog
      ref={dialog}
      class={`picker ${own}`}
      aria-label={label}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="picker-head">
        {head}
        <button type="button" class="button is-quiet" aria-label="Close" onClick={close}>
          ✕
        </button>
      </div>
      {children}
    </dialog>
  )
}
