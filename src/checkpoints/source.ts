/** Random access to one file's bytes: a file on disk, an HTTP resource read by ranges, a Blob. */
export interface ByteSource {
  /** What messages call it: a path or a URL. */
  readonly name: string
  /** In bytes. */
  readonly size: number
  /**
   * The `length` bytes from `offset` on, in memory that is the caller's from now on. The range lies inside the file.
   *
   * @param into memory of that length that may be used for them.
   * @throws InputError when the bytes cannot be read.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>
  close(): Promise<void>
}
