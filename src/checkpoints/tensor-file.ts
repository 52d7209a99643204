/** What the readers of weight files have in common, whatever the format. */

/** What a file says of one tensor. */
export interface TensorInfo {
  /** By its safetensors name: F32, BF16, I64... */
  readonly dtype: string
  readonly shape: readonly number[]
}

/** An open file of weights. Tensors are read by position, each when it is asked for. */
export interface TensorFile {
  /** What messages call the file. */
  readonly name: string
  /** Size of the file in bytes. */
  readonly bytes: number
  /** In the order in which they lie in the file. */
  names(): string[]
  has(tensor: string): boolean
  /** @throws InputError when the file lacks the tensor. */
  info(tensor: string): TensorInfo
  /**
   * All values of a tensor as float32, row-major.
   *
   * @param into memory for as many values, to be used in place of new memory.
   * @throws InputError when the file lacks the tensor, or its dtype is not F32, F16 or BF16.
   */
  read(tensor: string, into?: Float32Array): Promise<Float32Array>
  /** Rows `first` to `first + count - 1`, counted along the first dimension. Reads only their bytes. Throws as `read`. */
  rows(tensor: string, first: number, count: number, into?: Float32Array): Promise<Float32Array>
  close(): Promise<void>
}
