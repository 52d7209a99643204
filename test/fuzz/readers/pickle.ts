/** Pickles by themselves: opcodes in any order, with and without what PyTorch writes. */
import fc from 'fast-check'
import { unpickle } from '../../../src/checkpoints/torch-pickle.js'
import { concat } from '../../checkpoints/bytes.js'
import { pickle, tensor, text, tuple, whole } from '../../checkpoints/torch-helpers.js'
import { type Reader, Rejected } from '../harness.js'
import { damagedBytes } from '../mutate.js'

/** Names that run code in Python, are in PyTorch, or mean something in JavaScript. */
const GLOBALS = [
  ...['os\nsystem', 'builtins\neval', 'builtins\nexec', 'posix\nsystem', 'subprocess\nPopen', 'nt\nsystem'],
  ...['__builtin__\ngetattr', 'torch\nload', 'torch._utils\n_rebuild_tensor_v2', 'collections\nOrderedDict'],
  ...['torch\nFloatStorage', 'torch\nSize', 'torch._utils\n_rebuild_parameter', '__proto__\n__proto__'],
  ...['constructor\nconstructor', '\n', 'child_process\nexecSync', 'torch._utils\n_rebuild_tensor_v3'],
]

const OPCODES = [
  ...['(', ')', '0', 'N', 'Q', 'R', ']', 'a', 'b', 'e', 's', 't', 'u', '}', '\x85', '\x86', '\x87', '\x88'],
  ...['\x89', '\x93', '\x94', 'o', 'i', 'c', 'P', 'p', 'g', 'd', 'l', 'I', 'L', 'F', 'S', 'V', '2', '1'],
  ...['\x81', '\x82', '\x83', '\x84', '\x8f', '\x90', '\x91', '\x92', '\x96', '\x97', '\x98'],
]

const parts = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...OPCODES).map((opcode) => pickle(opcode)) },
  fc.constantFrom(...GLOBALS).map((name) => pickle(`c${name}\n`)),
  fc
    .constantFrom(...GLOBALS, '__proto__', 'length', 'storage', 'cpu', '0')
    .map((name) => concat(name.split('\n').map(text))),
  fc.integer({ min: -5, max: 2 ** 40 }).map((value) => whole(value)),
  fc.array(fc.nat(3), { maxLength: 3 }).map(tuple),
  fc.constant(tensor()),
  fc.nat(255).map((index) => pickle('q', index)),
  fc.nat(255).map((index) => pickle('h', index)),
  fc
    .tuple(
      fc.constantFrom('T', 'X', 'r', 'j', 'J', '\x8b', 'B', '\x8a', 'U', '\x8c'),
      fc.uint8Array({ maxLength: 9 }),
    )
    .map(([opcode, bytes]) => concat([pickle(opcode), bytes])),
  fc.uint8Array({ maxLength: 3 }),
)

const built = fc.array(parts, { maxLength: 40 }).map((all) => concat([pickle(0x80, 2), ...all, pickle('.')]))

const seeds = [
  concat([
    pickle(0x80, 2, '}('),
    text('a'),
    tensor(),
    text('b'),
    tensor({ type: 'torch\nHalfStorage' }),
    pickle('u.'),
  ]),
  concat([pickle(0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, ']('), whole(1), whole(2 ** 45), pickle('e\x94.')]),
  concat([pickle(0x80, 2, '}q', 0), text('_metadata'), pickle('}(', 'u}b'), pickle('h', 0, '.')]),
]

export const reader: Reader<Uint8Array> = {
  name: 'pickle',
  inputs: fc.oneof(built, damagedBytes(seeds)),
  read(bytes) {
    const found = unpickle(bytes.slice(), 0, 'pytorch_model.bin')
    if (found === undefined)
      throw new Rejected('pytorch_model.bin: must be whole, got an end before; download it')
  },
}
