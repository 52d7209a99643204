/** Between the page and its worker. */
import type { CallEvent, CallName } from '../../src/ui/protocol.js'

/** What computes in the page. */
export const DEVICES = ['auto', 'webgpu', 'wasm'] as const
export type Device = (typeof DEVICES)[number]

export type ToWorker =
  | { readonly kind: 'start'; readonly device: Device; readonly base: string }
  | { readonly kind: 'call'; readonly id: number; readonly name: CallName; readonly input: unknown }
  | { readonly kind: 'cancel'; readonly id: number }
  /** Files of stored results that were dropped on the page. */
  | { readonly kind: 'files'; readonly id: number; readonly files: readonly DroppedFile[] }

export interface DroppedFile {
  /** With the folders that it was dropped in: `runs/demo/part-1.parquet`. */
  readonly path: string
  readonly file: File
}

export type FromWorker = { readonly id: number } & CallEvent
