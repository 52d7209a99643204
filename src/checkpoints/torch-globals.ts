/**
 * What a pickle of PyTorch may name, and what each name makes. A pickle names classes and functions and has them
 * called; here the names of this list stand for inert values and for functions of ours that only note down what they
 * are given, and any other name is refused.
 */
import { InputError, show } from '../errors.js'
import type { StridedView } from './torch-view.js'

/** An element type, by its safetensors name. */
export class Dtype {
  constructor(
    readonly name: string,
    readonly bytes: number,
  ) {}
}

/** One block of memory, which tensors are views of. */
export class Storage {
  constructor(
    /** Its name in the file. */
    readonly key: string,
    readonly dtype: Dtype,
    /** Size in the file, in values of `dtype`. */
    readonly length: number,
    /** The part that tensors see, in bytes: all of it, but for the storages inside others that PyTorch once had. */
    readonly begin: number,
    readonly end: number,
  ) {}
}

/** A tensor: a strided view of a storage. */
export class Tensor {
  constructor(
    readonly storage: Storage,
    readonly dtype: Dtype,
    readonly view: StridedView,
  ) {}
}

/** A class that names what a storage holds. */
class StorageType {
  constructor(readonly dtype: Dtype) {}
}

/** torch/storage.py, `_dtype_to_storage_type_map`, less the quantized types. */
const STORAGE_TYPES: Readonly<Record<string, Dtype>> = {
  'torch.DoubleStorage': new Dtype('F64', 8),
  'torch.FloatStorage': new Dtype('F32', 4),
  'torch.HalfStorage': new Dtype('F16', 2),
  'torch.BFloat16Storage': new Dtype('BF16', 2),
  'torch.LongStorage': new Dtype('I64', 8),
  'torch.IntStorage': new Dtype('I32', 4),
  'torch.ShortStorage': new Dtype('I16', 2),
  'torch.CharStorage': new Dtype('I8', 1),
  'torch.ByteStorage': new Dtype('U8', 1),
  'torch.BoolStorage': new Dtype('BOOL', 1),
  'torch.ComplexFloatStorage': new Dtype('C64', 8),
  'torch.ComplexDoubleStorage': new Dtype('C128', 16),
  // Newer element types are bytes here, and named by the tensor (`_rebuild_tensor_v3`).
  'torch.storage.UntypedStorage': new Dtype('U8', 1),
}

/** Those of `_rebuild_tensor_v3` (torch/storage.py, `_new_dtypes`), and those that may be values beside the tensors. */
const DTYPES: Readonly<Record<string, Dtype>> = {
  'torch.float32': new Dtype('F32', 4),
  'torch.float16': new Dtype('F16', 2),
  'torch.bfloat16': new Dtype('BF16', 2),
  'torch.uint16': new Dtype('U16', 2),
  'torch.uint32': new Dtype('U32', 4),
  'torch.uint64': new Dtype('U64', 8),
  'torch.complex32': new Dtype('C32', 4),
  'torch.float8_e4m3fn': new Dtype('F8_E4M3', 1),
  'torch.float8_e5m2': new Dtype('F8_E5M2', 1),
  'torch.float8_e4m3fnuz': new Dtype('F8_E4M3FNUZ', 1),
  'torch.float8_e5m2fnuz': new Dtype('F8_E5M2FNUZ', 1),
  'torch.float8_e8m0fnu': new Dtype('F8_E8M0', 1),
}

/** PyTorch's own limit is 64 dimensions. */
const MAX_DIMENSIONS = 64

/** More arguments than any of the functions has: a call must not cost more than the bytes that ask for it. */
const MAX_ARGUMENTS = 16

/** What PyTorch would not write; whoever reads the pickle says that it is damaged. */
function check(condition: boolean): asserts condition {
  if (!condition) throw new Error('arguments that PyTorch does not write')
}

type Call = (...args: unknown[]) => unknown

/** torch/_utils.py. Gradients and hooks do not matter; `metadata` says that values are to be negated or conjugated. */
const FUNCTIONS: Readonly<Record<string, Call>> = {
  'collections.OrderedDict': orderedDict,
  'torch._utils._rebuild_tensor': (storage, offset, size, stride) => {
    check(storage instanceof Storage)
    return tensor(storage, storage.dtype, offset, size, stride)
  },
  'torch._utils._rebuild_tensor_v2': (storage, offset, size, stride, _gradient, _hooks, metadata) => {
    check(storage instanceof Storage && isEmpty(metadata))
    return tensor(storage, storage.dtype, offset, size, stride)
  },
  'torch._utils._rebuild_tensor_v3': (storage, offset, size, stride, _gradient, _hooks, dtype, metadata) => {
    check(storage instanceof Storage && dtype instanceof Dtype && isEmpty(metadata))
    return tensor(storage, dtype, offset, size, stride)
  },
  'torch._utils._rebuild_parameter': (data) => data,
  'torch._utils._rebuild_parameter_with_state': (data) => data,
  'torch.Size': (size) => size,
  'torch.device': (type) => type,
}

const GLOBALS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...Object.entries(STORAGE_TYPES).map(([name, dtype]): [string, unknown] => [name, new StorageType(dtype)]),
  ...Object.entries(DTYPES),
  ...Object.entries(FUNCTIONS).map(([name, call]): [string, unknown] => [
    name,
    (...args: unknown[]) => {
      check(args.length <= MAX_ARGUMENTS)
      return call(...args)
    },
  ]),
])

/**
 * What a global of a pickle stands for.
 *
 * @throws InputError naming the global when it is not in the list.
 */
export function findGlobal(module: unknown, name: unknown, file: string): unknown {
  const global = `${plain(module)}.${plain(name)}`
  if (GLOBALS.has(global)) return GLOBALS.get(global)
  throw new InputError(
    `${file}: must hold nothing but tensors and plain values, got the global ${global}: reading it could run code, ` +
      'so nothing of it was executed; use the model as safetensors',
  )
}

/** Names as they are; anything else in a form that cannot break a message. */
function plain(name: unknown): string {
  if (typeof name !== 'string') return '?'
  return /^[\w.]{1,60}$/.test(name) ? name : show(name).replace(/[^\x20-\x7e]/g, '?')
}

/**
 * The storage that a persistent id of a pickle stands for: ('storage', class, key, device, length), and before PyTorch
 * 1.6 also None or the part that is seen (key, offset, length). torch/serialization.py, `persistent_load`.
 */
export function findStorage(id: unknown): Storage {
  check(Array.isArray(id))
  const [kind, type, key, , length, part = null] = id as unknown[]
  check(kind === 'storage' && type instanceof StorageType && typeof key === 'string' && isSize(length))
  const { dtype } = type
  if (part === null) return new Storage(key, dtype, length, 0, length * dtype.bytes)
  check(Array.isArray(part))
  const [, offset, size] = part as unknown[]
  check(isSize(offset) && isSize(size) && offset + size <= length)
  return new Storage(key, dtype, length, offset * dtype.bytes, (offset + size) * dtype.bytes)
}

/** Python 3 fills it later; Python 2 gave a list of pairs. */
function orderedDict(pairs: unknown = []): Map<unknown, unknown> {
  check(Array.isArray(pairs))
  // Emptied, so that the same list cannot be asked for again and again.
  return new Map(
    pairs.splice(0).map((pair): [unknown, unknown] => {
      check(Array.isArray(pair) && pair.length === 2)
      return [pair[0], pair[1]]
    }),
  )
}

function tensor(storage: Storage, dtype: Dtype, offset: unknown, shape: unknown, stride: unknown): Tensor {
  check(isSize(offset) && isSizes(shape) && isSizes(stride) && shape.length === stride.length)
  // Copies: the pickle may go on to append to its lists.
  return new Tensor(storage, dtype, { offset, shape: [...shape], stride: [...stride] })
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isSize)
}

function isEmpty(metadata: unknown): boolean {
  return metadata === undefined || metadata === null || (metadata instanceof Map && metadata.size === 0)
}
