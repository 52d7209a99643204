/**
 * Makes a pickle safe for the library that reads it, `pickleparser`, and finds its end.
 *
 * The library runs no code of its own accord, but it trusts the pickle: BINBYTES of negative length moves it backwards
 * for ever; BUILD sets any attribute (`__proto__`, `length`) of any object, arrays and our own functions included;
 * long integers take quadratic time, lose precision in silence or are refused. So every opcode is looked at before:
 * only those are let through that checkpoints need (those of torch/_weights_only_unpickler.py, less NEWOBJ and
 * EMPTY_SET; the strings of Python 2; the strings, memo and frames of pickle protocol 4), with arguments that lie
 * inside the file, and two kinds are changed in place into harmless ones of the same length:
 *
 * - BUILD, which sets attributes of an object (the `_metadata` of a state dict), into POP, which drops them;
 * - integers of more than 6 bytes into byte strings, which no size or position can be.
 *
 * Opcodes: Lib/pickle.py and Lib/pickletools.py of Python.
 */
import { InputError } from '../errors.js'
import { findGlobal } from './torch-globals.js'

/** What follows an opcode: a fixed number of bytes; a length of 1 or 4 bytes and so many bytes; two lines of text. */
type Argument = number | 'counted1' | 'counted4' | 'lines'

const POP = 0x30
const BUILD = 0x62
const STOP = 0x2e
const GLOBAL = 0x63
const LONG1 = 0x8a
const LONG4 = 0x8b
const SHORT_BINSTRING = 0x55
const BINSTRING = 0x54

const OPCODES: ReadonlyMap<number, Argument> = new Map<number, Argument>([
  [0x28, 0], // MARK
  [0x29, 0], // EMPTY_TUPLE
  [STOP, 0],
  [POP, 0],
  [0x47, 8], // BINFLOAT
  [0x4a, 4], // BININT
  [0x4b, 1], // BININT1
  [0x4d, 2], // BININT2
  [0x4e, 0], // NONE
  [0x51, 0], // BINPERSID
  [0x52, 0], // REDUCE
  [BINSTRING, 'counted4'],
  [SHORT_BINSTRING, 'counted1'],
  [0x58, 'counted4'], // BINUNICODE
  [0x5d, 0], // EMPTY_LIST
  [0x61, 0], // APPEND
  [BUILD, 0],
  [GLOBAL, 'lines'],
  [0x65, 0], // APPENDS
  [0x68, 1], // BINGET
  [0x6a, 4], // LONG_BINGET
  [0x71, 1], // BINPUT
  [0x72, 4], // LONG_BINPUT
  [0x73, 0], // SETITEM
  [0x74, 0], // TUPLE
  [0x75, 0], // SETITEMS
  [0x7d, 0], // EMPTY_DICT
  [0x80, 1], // PROTO
  [0x85, 0], // TUPLE1
  [0x86, 0], // TUPLE2
  [0x87, 0], // TUPLE3
  [0x88, 0], // NEWTRUE
  [0x89, 0], // NEWFALSE
  [LONG1, 'counted1'],
  [LONG4, 'counted4'],
  [0x8c, 'counted1'], // SHORT_BINUNICODE
  [0x93, 0], // STACK_GLOBAL
  [0x94, 0], // MEMOIZE
  [0x95, 8], // FRAME
])

/** 48 bits: the library reads them exactly, and no size in a checkpoint needs more. */
const MAX_INTEGER_BYTES = 6

/**
 * Check the pickle that begins at `begin`, and change it in place as said above.
 *
 * @returns where it ends, or undefined when `bytes` end before it does.
 * @throws InputError on an opcode that no checkpoint needs, or a global that is not among the allowed ones.
 */
export function makeSafe(bytes: Uint8Array, begin: number, file: string): number | undefined {
  for (let at = begin; at < bytes.length; ) {
    const opcode = bytes[at]
    const argument = OPCODES.get(opcode)
    if (argument === undefined) {
      const rule = 'must be a file of torch.save with nothing but tensors and plain values'
      throw new InputError(
        `${file}: ${rule}, got pickle opcode 0x${opcode.toString(16)} at byte ${at - begin} (nothing was executed); ` +
          'download it again, or use the model as safetensors',
      )
    }
    const end = argumentEnd(bytes, at + 1, argument)
    if (end === undefined || end > bytes.length) return undefined
    if (opcode === STOP) return end
    if (opcode === GLOBAL) {
      const [module, name] = new TextDecoder().decode(bytes.subarray(at + 1, end)).split('\n')
      findGlobal(module, name, file)
    }
    if (opcode === BUILD) bytes[at] = POP
    if (opcode === LONG1 && bytes[at + 1] > MAX_INTEGER_BYTES) bytes[at] = SHORT_BINSTRING
    if (opcode === LONG4) bytes[at] = BINSTRING
    at = end
  }
  return undefined
}

/** Where an argument ends, or undefined when `bytes` end before that can be said. */
function argumentEnd(bytes: Uint8Array, at: number, argument: Argument): number | undefined {
  switch (argument) {
    case 'counted1':
      return at < bytes.length ? at + 1 + bytes[at] : undefined
    case 'counted4': {
      if (at + 4 > bytes.length) return undefined
      return at + 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true)
    }
    case 'lines': {
      const first = bytes.indexOf(0x0a, at)
      const second = first < 0 ? -1 : bytes.indexOf(0x0a, first + 1)
      return second < 0 ? undefined : second + 1
    }
    default:
      return at + argument
  }
}
