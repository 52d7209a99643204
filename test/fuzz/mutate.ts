/**
 * Inputs for fuzzing: valid ones (seeds) that are damaged by edits. An edit is four numbers, so that fast-check can
 * make it smaller and leave it out; what they mean depends on what is edited: bytes, texts, or JSON.
 */
import fc from 'fast-check'

/** What is done, where, and with what. */
export type Edit = readonly [kind: number, at: number, other: number, value: number]

const number = fc.nat(0xffff_ffff)

/** A seed's number and what is done to it; none leaves it as it is. */
const damage = fc.tuple(
  number,
  fc.array(fc.tuple(number, number, number, number) as fc.Arbitrary<Edit>, { maxLength: 6 }),
)

/** Values at the borders of types, and of what fits a float64. */
const BORDERS: readonly bigint[] = [
  0n,
  1n,
  -1n,
  2n,
  127n,
  128n,
  255n,
  256n,
  65_535n,
  65_536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
]

/** Bytes that differ from those of a seed in some places. */
export function damagedBytes(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return damage.map(([seed, edits]) => {
    let bytes = seeds[seed % seeds.length]!
    for (const edit of edits) bytes = editBytes(bytes, edit, seeds)
    return bytes
  })
}

/** Longest stretch that is cut, doubled or put in. */
const STRETCH = 64

export function editBytes(
  bytes: Uint8Array,
  [kind, where, other, value]: Edit,
  seeds: readonly Uint8Array[],
): Uint8Array {
  const at = where % (bytes.length + 1)
  const length = 1 + (other % STRETCH)
  const set = (change: (view: DataView) => void): Uint8Array => {
    const copy = bytes.slice()
    change(new DataView(copy.buffer))
    return copy
  }
  switch (kind % 11) {
    case 0: // a bit
      return set((view) => {
        if (at < bytes.length) view.setUint8(at, bytes[at]! ^ (1 << (value % 8)))
      })
    case 1: // a byte
      return set((view) => {
        if (at < bytes.length) view.setUint8(at, value % 256)
      })
    case 2: // a number of 2, 4 or 8 bytes, either end first
      return set((view) => writeNumber(view, at, value, BORDERS[other % BORDERS.length]!))
    case 3: // cut out
      return spliced(bytes, at, length, new Uint8Array())
    case 4: // the end cut off
      return bytes.slice(0, at)
    case 5: // doubled
      return spliced(bytes, at, 0, bytes.subarray(at, at + length))
    case 6: // put in
      return spliced(bytes, at, 0, new Uint8Array(length).fill(value % 256))
    case 7: {
      // a stretch of a seed in its place
      const from = seeds[value % seeds.length]!
      const begin = other % (from.length + 1)
      return spliced(bytes, at, STRETCH, from.subarray(begin, begin + STRETCH))
    }
    case 8: // a stretch moved to elsewhere
      return spliced(bytes, value % (bytes.length + 1), length, bytes.subarray(at, at + length))
    case 9: // one more or less
      return set((view) => {
        if (at < bytes.length) view.setUint8(at, bytes[at]! + (value % 2 === 0 ? 1 : 255))
      })
    default: {
      // the beginning of one, the end of another
      const tail = seeds[value % seeds.length]!
      return spliced(bytes, at, bytes.length, tail.subarray(other % (tail.length + 1)))
    }
  }
}

function writeNumber(view: DataView, at: number, form: number, number: bigint): void {
  const little = form % 2 === 0
  const size = [2, 4, 8][(form >>> 1) % 3]!
  if (at + size > view.byteLength) return
  if (size === 2) view.setUint16(at, Number(BigInt.asUintN(16, number)), little)
  else if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, number)), little)
  else view.setBigUint64(at, BigInt.asUintN(64, number), little)
}

function spliced(bytes: Uint8Array, at: number, remove: number, put: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + remove))
  const out = new Uint8Array(at + put.length + rest.length)
  out.set(bytes.subarray(0, at))
  out.set(put, at)
  out.set(rest, at + put.length)
  return out
}

/** Characters of a text: limits of time and memory are those of small inputs. */
const MOST_TEXT = 2 ** 16

/** What texts of all formats may stumble over. */
const PIECES: readonly string[] = [
  '',
  ' ',
  '\n',
  '\r',
  '\r\n',
  '\t',
  ',',
  ';',
  ':',
  '"',
  '""',
  "'",
  '\\',
  '#',
  '{}',
  '{',
  '[',
  ']',
  '}',
  '\0',
  '\u2028',
  '\ufeff',
  '\ud800',
  '\udc00',
  '\u202e',
  '\u001b[2J',
  'é',
  'e\u0301',
  '𝄞',
  '%',
  '*',
  '?',
  '-1',
  '1e999',
  '99999999999999999999',
  'NaN',
  'null',
  'true',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '/etc/passwd',
  'file:///etc/passwd',
  '{"a":1}',
  ' '.repeat(300),
  'a'.repeat(5000),
]

/** Texts that differ from a seed in some places. @param pieces of the format, put in beside those of any */
export function damagedText(seeds: readonly string[], pieces: readonly string[] = []): fc.Arbitrary<string> {
  const all = [...pieces, ...pieces, ...PIECES]
  return damage.map(([seed, edits]) => {
    let text = seeds[seed % seeds.length]!
    for (const edit of edits) text = editText(text, edit, seeds, all)
    return text.slice(0, MOST_TEXT)
  })
}

function editText(
  text: string,
  [kind, where, other, value]: Edit,
  seeds: readonly string[],
  pieces: readonly string[],
): string {
  const at = where % (text.length + 1)
  const length = 1 + (other % STRETCH)
  const piece = pieces[value % pieces.length]!
  switch (kind % 8) {
    case 0: // put in
    case 1:
      return text.slice(0, at) + piece + text.slice(at)
    case 2: // in place of a stretch
      return text.slice(0, at) + piece + text.slice(at + length)
    case 3: // cut out
      return text.slice(0, at) + text.slice(at + length)
    case 4: // the end cut off
      return text.slice(0, at)
    case 5: // doubled, up to some hundred times
      return text.slice(0, at) + text.slice(at, at + length).repeat(2 + (value % 200)) + text.slice(at)
    case 6: {
      // a character for another
      const unit = String.fromCharCode(value % 0x1_0000)
      return text.slice(0, at) + unit + text.slice(at + 1)
    }
    default: {
      const tail = seeds[value % seeds.length]!
      return text.slice(0, at) + tail.slice(other % (tail.length + 1))
    }
  }
}

/** JSON with what a parsed value cannot have: a key twice, `__proto__`, numbers as they are written. */
export type Json =
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, Json])[] }
  | { readonly kind: 'array'; readonly items: readonly Json[] }
  | { readonly kind: 'raw'; readonly text: string }

export function toJson(value: unknown): Json {
  if (Array.isArray(value)) return { kind: 'array', items: value.map(toJson) }
  if (typeof value === 'object' && value !== null) {
    return {
      kind: 'object',
      entries: Object.entries(value).map(([key, inner]) => [key, toJson(inner)] as const),
    }
  }
  return { kind: 'raw', text: JSON.stringify(value) ?? 'null' }
}

function written(json: Json): string {
  if (json.kind === 'raw') return json.text
  if (json.kind === 'array') return `[${json.items.map(written).join(',')}]`
  return `{${json.entries.map(([key, value]) => `${JSON.stringify(key)}:${written(value)}`).join(',')}}`
}

const deep = (open: string, close: string, n: number): string => open.repeat(n) + close.repeat(n)

/** In place of a value. */
const VALUES: readonly Json[] = [
  ...['null', 'true', 'false', '0', '-0', '1', '-1', '2', '3', '0.5', '-1.5', '1e-400', '1e999', '-1e999'],
  ...['64', '65536', '16777215', '16777216', '2147483647', '2147483648', '4294967295', '9007199254740991'],
  ...['9007199254740993', '9223372036854775807', '1e300', 'NaN', 'Infinity', '-Infinity'],
  ...[
    '""',
    '" "',
    '"a"',
    '"0"',
    '"auto"',
    '"all"',
    '"last"',
    '"\\u0000"',
    '"\\ud800"',
    '"a\\nb"',
    '"\\u2028"',
  ],
  ...['"__proto__"', '"constructor"', '"toString"', '"../../etc/passwd"', '"/etc/passwd"', '"C:\\\\x"'],
  ...['[]', '{}', '[[]]', '[1]', '["a"]', '[1,2]', '{"a":1}', '{"__proto__":{"polluted":1}}'],
  ...[
    '{"toString":1,"valueOf":1}',
    '{"length":4294967295}',
    '{"__float__":"Infinity"}',
    '{"constructor":{}}',
  ],
  deep('[', ']', 10),
  deep('[', ']', 3000),
  deep('{"a":', '}', 10).replace('}', '1}'),
  `"${'x'.repeat(5000)}"`,
  `[${'0,'.repeat(3000)}0]`,
].map((text) => ({ kind: 'raw', text }))

const KEYS: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', ' ', 'a\nb', '\0', '\ud800'],
  ...['length', '0', '-1', 'id', 'name', 'type', 'k'.repeat(3000)],
]

/**
 * JSON texts that differ from a seed in some values, keys, and now and then characters.
 * @param values of the format, put in beside those of any
 * @param usual number of the seed to begin with; default any
 */
export function damagedJson(
  seeds: readonly unknown[],
  values: readonly unknown[] = [],
  usual?: number,
): fc.Arbitrary<string> {
  const trees = seeds.map(toJson)
  const texts = trees.map(written)
  const own = values.map(toJson)
  const all = [...own, ...own, ...VALUES]
  return damage.map(([seed, edits]) => {
    let tree = trees[usual ?? seed % trees.length]!
    let text: string | undefined
    for (const edit of edits) {
      if (text === undefined && edit[0] % 16 !== 0) tree = editJson(tree, edit, all, trees)
      else text = editText(text ?? written(tree), edit, texts, PIECES)
    }
    return (text ?? written(tree)).slice(0, MOST_TEXT)
  })
}

/**
 * Go down from the root: at each object and array one of its values is chosen by the rest of `way`, or the thing itself.
 */
function editJson(json: Json, edit: Edit, values: readonly Json[], seeds: readonly Json[]): Json {
  const [kind, way, other, value] = edit
  const count = json.kind === 'raw' ? 0 : json.kind === 'array' ? json.items.length : json.entries.length
  const choice = way % (count + 1)
  if (choice < count) {
    const inner: Edit = [kind, Math.floor(way / (count + 1)), other, value]
    if (json.kind === 'array') {
      return {
        kind: 'array',
        items: json.items.map((v, i) => (i === choice ? editJson(v, inner, values, seeds) : v)),
      }
    }
    if (json.kind === 'object') {
      const entries = json.entries.map(([k, v], i) =>
        i === choice ? ([k, editJson(v, inner, values, seeds)] as const) : ([k, v] as const),
      )
      return { kind: 'object', entries }
    }
  }
  return editHere(json, edit, values, seeds)
}

function editHere(
  json: Json,
  [kind, , other, value]: Edit,
  values: readonly Json[],
  seeds: readonly Json[],
): Json {
  const put = values[value % values.length]!
  const key = KEYS[other % KEYS.length]!
  // A value of its own kind: numbers and texts near what they were.
  if (json.kind === 'raw') {
    const number = Number(json.text)
    switch (kind % 6) {
      case 0:
        if (Number.isFinite(number)) {
          return { kind: 'raw', text: String(number + [1, -1, 0.5, number, -number][other % 5]!) }
        }
        return put
      case 1: {
        const border = BORDERS[other % BORDERS.length]!
        return { kind: 'raw', text: String(border) }
      }
      case 2:
        if (json.text.startsWith('"')) {
          const text = JSON.parse(json.text) as string
          return {
            kind: 'raw',
            text: JSON.stringify(editText(text, [value, other, value, kind], [text], PIECES)),
          }
        }
        return put
      case 3:
        return { kind: 'array', items: [json] }
      default:
        return put
    }
  }
  const size = json.kind === 'array' ? json.items.length : json.entries.length
  const index = other % Math.max(1, size)
  switch (kind % 9) {
    case 0: // one left out
      return json.kind === 'array'
        ? { kind: 'array', items: json.items.filter((_, i) => i !== index) }
        : { kind: 'object', entries: json.entries.filter((_, i) => i !== index) }
    case 1: // one more
      return json.kind === 'array'
        ? { kind: 'array', items: [...json.items, put] }
        : { kind: 'object', entries: [...json.entries, [key, put]] }
    case 2: // one twice
      return json.kind === 'array'
        ? { kind: 'array', items: [...json.items, ...json.items.slice(index, index + 1)] }
        : { kind: 'object', entries: [...json.entries, ...json.entries.slice(index, index + 1)] }
    case 3: // a key twice, or another one
      if (json.kind === 'array') return { kind: 'array', items: json.items.toReversed() }
      return {
        kind: 'object',
        entries:
          value % 2 === 0
            ? json.entries.map(([k, v], i) => [i === index ? key : k, v] as const)
            : [...json.entries, ...json.entries.slice(index, index + 1).map(([k]) => [k, put] as const)],
      }
    case 4: // what another has in this place
      return seeds[value % seeds.length]!
    case 5: // nested once more
      return value % 2 === 0 ? { kind: 'array', items: [json] } : { kind: 'object', entries: [[key, json]] }
    case 6: {
      // many, as long as they are small
      const many = put.kind === 'raw' && put.text.length < 100 ? 200 : 3
      if (json.kind === 'object') {
        const more = Array.from({ length: many }, (_, i) => [`${key}${i}`, put] as const)
        return { kind: 'object', entries: [...json.entries, ...more] }
      }
      const items = json.items.slice(index, index + 1)
      return { kind: 'array', items: [...json.items, ...Array.from({ length: many }, () => items).flat()] }
    }
    default:
      return put
  }
}

const encoder = new TextEncoder()

/** A text as a file has it: lone surrogates become U+FFFD, as with any writer of UTF-8. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The bytes of texts, a few of them damaged as bytes: not UTF-8, cut within a character. */
export function asBytes(texts: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const seeds = [utf8('\ufeff'), Uint8Array.of(0xff, 0xfe, 0, 0xc3)]
  return fc.tuple(texts, fc.nat(7), damage).map(([text, rare, [, edits]]) => {
    let bytes = utf8(text)
    if (rare === 0) for (const edit of edits.slice(0, 2)) bytes = editBytes(bytes, edit, seeds)
    return bytes
  })
}
