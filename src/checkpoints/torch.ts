/**
 * Weight files of PyTorch (`pytorch_model.bin`): a pickled state dict, and the storages that its tensors are views of.
 * The pickle is read without running anything; a storage is read by position, when a tensor of it is asked for.
 */
import { InputError, show } from '../errors.js'
import { FLOAT_BYTES, floatDtype } from './dtype.js'
import { isLfsPointer, lfsError } from './json.js'
import { readFloats } from './read-floats.js'
import type { ByteSource } from './source.js'
import type { TensorFile, TensorInfo } from './tensor-file.js'
import { openLegacyArchive, openZipArchive, type TorchArchive } from './torch-archive.js'
import { Tensor } from './torch-globals.js'
import { gather, isContiguous, rowsOf, type StridedView, spanOf, valueCount } from './torch-view.js'
import { isZip } from './zip.js'

/** Enough to know a zip archive, or a Git LFS pointer. */
const KIND_BYTES = 64

/**
 * Open a file that `torch.save(state_dict)` wrote, of either serialization: reads its pickle and checks that every
 * tensor lies inside the file. The source is closed with the file, and when this throws.
 *
 * @throws InputError naming the file and the rule when the file is not whole, holds something else than a flat
 *   dictionary of tensors (other values beside them are left out), or could run code.
 */
export async function openTorch(source: ByteSource): Promise<TensorFile> {
  try {
    const first = await source.read(0, Math.min(source.size, KIND_BYTES))
    if (isLfsPointer(first)) throw lfsError(source.name)
    const archive = isZip(first) ? await openZipArchive(source) : await openLegacyArchive(source)
    return new OpenTorch(source, archive, tensorsOf(archive, source))
  } catch (error) {
    await source.close()
    throw error
  }
}

function tensorsOf(archive: TorchArchive, source: ByteSource): ReadonlyMap<string, Tensor> {
  const { object } = archive
  if (!(object instanceof Map)) throw noStateDict(source.name, 'something else')
  const tensors = new Map<string, Tensor>()
  for (const [name, value] of object) {
    if (typeof name !== 'string' || !(value instanceof Tensor)) continue
    archive.check(value.storage)
    checkView(name, value, source)
    tensors.set(name, value)
  }
  if (tensors.size === 0 && object.size > 0) {
    const [inner] = [...object].find(([key, value]) => typeof key === 'string' && value instanceof Map) ?? []
    const got =
      inner === undefined ? 'a dictionary without tensors' : `another dictionary under ${show(inner)}`
    throw noStateDict(source.name, got)
  }
  return tensors
}

function noStateDict(file: string, got: string): InputError {
  const rule = 'must hold a state dict, a dictionary of tensors by their names'
  return new InputError(`${file}: ${rule}, got ${got}; save model.state_dict() alone`)
}

function checkView(name: string, { storage, dtype, view }: Tensor, source: ByteSource): void {
  const { offset, shape, stride } = view
  const size = storage.end - storage.begin
  const span = spanOf(view)
  if (span > 0 && (offset + span) * dtype.bytes > size) {
    const rule = `tensor ${show(name)} of shape [${shape}], stride [${stride}] and offset ${offset} must lie inside its storage`
    throw new InputError(`${source.name}: ${rule}, got a storage of ${size} bytes; download it again`)
  }
  // Strides of 0 (`expand`) repeat values; what is read must stay in proportion to the file.
  if (valueCount(shape) > Math.max(source.size, span)) {
    const rule = `tensor ${show(name)} must not repeat its values beyond the size of the file`
    throw new InputError(
      `${source.name}: ${rule}, got shape [${shape}] of ${span} values; save tensor.clone()`,
    )
  }
}

class OpenTorch implements TensorFile {
  readonly #source: ByteSource
  readonly #archive: TorchArchive
  readonly #tensors: ReadonlyMap<string, Tensor>

  constructor(source: ByteSource, archive: TorchArchive, tensors: ReadonlyMap<string, Tensor>) {
    this.#source = source
    this.#archive = archive
    this.#tensors = tensors
  }

  get name(): string {
    return this.#source.name
  }

  get bytes(): number {
    return this.#source.size
  }

  /** As in the state dict, which is the order of the file but for storages that tensors share. */
  names(): string[] {
    return [...this.#tensors.keys()]
  }

  has(tensor: string): boolean {
    return this.#tensors.has(tensor)
  }

  info(tensor: string): TensorInfo {
    const { dtype, view } = this.#tensor(tensor)
    return { dtype: dtype.name, shape: view.shape }
  }

  async read(tensor: string, into?: Float32Array): Promise<Float32Array> {
    return this.#values(tensor, this.#tensor(tensor).view, into)
  }

  async rows(tensor: string, first: number, count: number, into?: Float32Array): Promise<Float32Array> {
    const { view } = this.#tensor(tensor)
    const whole = Number.isSafeInteger(first) && Number.isSafeInteger(count)
    if (!whole || first < 0 || count < 0 || !(first + count <= view.shape[0])) {
      throw new Error(
        `torch rows: ${show(tensor)} has shape [${view.shape}], got ${count} rows from ${first}`,
      )
    }
    return this.#values(tensor, rowsOf(view, first, count), into)
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  #tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name)
    if (!tensor) {
      throw new InputError(
        `${this.name}: must hold the tensor ${show(name)}, got a file without it; check that it is the right model`,
      )
    }
    return tensor
  }

  /** A part of a tensor. Reads the storage from its first to its last value. */
  async #values(name: string, view: StridedView, into?: Float32Array): Promise<Float32Array> {
    const { storage, dtype: stored } = this.#tensor(name)
    const dtype = floatDtype(stored.name, name, this.name)
    const size = FLOAT_BYTES[dtype]
    const span = spanOf(view)
    if (span === 0) return new Float32Array()
    const begin = (await this.#archive.dataStart(storage)) + storage.begin + view.offset * size
    if (isContiguous(view)) return readFloats(this.#source, dtype, begin, span, into)
    return gather(await readFloats(this.#source, dtype, begin, span), view)
  }
}
