/** What is asked for wrongly: exit code 2 and one line `error: where: rule, got value; what to do`. */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { factflow, MAIN, RANDOM_MODEL, refuse, succeed, temporaryFolder } from './command.js'

const folder = temporaryFolder()
const PROMPT = 'Manila is the capital of'
const TRACE = ['trace', PROMPT, '--subject', 'Manila']

/** A file of the temporary folder. */
function write(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return name
}

describe('arguments', () => {
  test.concurrent.each<[args: string[], message: string]>([
    [['tracer'], 'command: must be one that factflow has, got "tracer"; did you mean trace?'],
    [
      [...TRACE, '--nope'],
      'option: must be one that factflow trace has, got "--nope"; see factflow trace --help',
    ],
    [[...TRACE, '--window', '0'], '--window: must be a whole number from 1 on, got "0"; change it'],
    [
      [...TRACE, '--window', '25'],
      '--window: a window must have from 1 to 24 layers (the model has 24), got 25; change it',
    ],
    [
      [...TRACE, '--threads', '0'],
      expect.stringMatching(/^--threads: must be a whole number from 1 to \d+, got "0"; /),
    ],
    [[...TRACE, '--memory', 'lots'], '--memory: must be a size such as 4GB or 512MiB, got "lots"; change it'],
    [
      [...TRACE, '--memory', '1MiB'],
      expect.stringMatching(/^--memory: to load tiny-mamba1, .*, got 1.04 MB; give more memory$/),
    ],
    [
      ['trace', `Manila ${'is the capital of '.repeat(60)}`, '--subject', 'Manila', '--memory', '32MiB'],
      expect.stringMatching(/^--memory: for a prompt of \d+ tokens .*, got 33.5 MB; give more memory$/),
    ],
    [
      [...TRACE, '--target', 'middle'],
      expect.stringMatching(/^--target: must be one of first, last, .*, got "middle"; change it$/),
    ],
    [
      [...TRACE, '--flows', 'subject', 'first', 'subject>last:all'],
      '--flows: a flow must be given once, got "subject>last:all" again; leave it out',
    ],
    [
      [...TRACE, '--svg', 'same', '--png', './same'],
      '--png: must be another file than --svg, got "./same" for both; change one',
    ],
    [
      ['heatmap', '--id', 'capital_of/0003', '--answer', 'x'],
      '--answer: must not be given with --id, got "x"; the facts have their own',
    ],
    [
      [...TRACE, '--target', 'context'],
      expect.stringMatching(/^target: the role must have tokens in prompt .*, got context without any; /),
    ],
    [
      [...TRACE, '--flows', 'subject>nobody'],
      expect.stringMatching(/^--flows: a role must be known, got "nobody"; /),
    ],
    [
      [...TRACE, '--flows', 'context'],
      '--flows: a prompt must have tokens of both roles, got none for context → last; choose other roles or prompts',
    ],
    [[...TRACE, '--answer', ' '], '--answer: must not be empty, got " "; write something or leave it out'],
    [
      ['trace', PROMPT, '--subject', 'Paris\nRome'],
      // One line, although the argument has two.
      expect.stringMatching(/^--subject: subject must stand in the prompt, got subject "Paris\\nRome" /),
    ],
    [
      ['trace', 'Manila, Manila is in', '--subject', 'Manila'],
      expect.stringMatching(
        /^--subject: subject must stand in the prompt once, got "Manila" at characters 0 and 8 /,
      ),
    ],
    [
      [...TRACE, '--model', './mamba-9000'],
      '--model: must be an embedded model (tiny-gpt2, tiny-mamba1, tiny-mamba2), a folder, or a model\'s id on the Hub, got "./mamba-9000", and there is no such folder; check the name or path',
    ],
    [['heatmap'], 'heatmap: needs either a prompt or --id, got neither; see factflow heatmap --help'],
    [
      ['heatmap', '--id', 'x/1'],
      '--id: must be the id of a fact in atlas, got "x/1"; write one as it stands there, such as capital_of/0000/0',
    ],
    [
      ['info-flow', '--relation', 'x'],
      expect.stringMatching(/^--relation: must be a relation of atlas \(.*country_capital.*\), got "x"; /),
    ],
    [
      ['info-flow', '--split', 'test'],
      '--split: must be a split of atlas (held-out, train), got "test"; change it',
    ],
    [['evaluate', '--limit', '0'], '--limit: must be a whole number from 1 on, got "0"; change it'],
    [['evaluate', '--seed', '-1'], '--seed: must be a whole number from 0 on, got "-1"; change it'],
    [
      ['evaluate', '--unknown'],
      'option: must be one that factflow evaluate has, got "--unknown"; see factflow evaluate --help',
    ],
    [['evaluate', 'atlas'], 'arguments: factflow evaluate takes none, got 1; see factflow evaluate --help'],
    [
      ['evaluate', '--relation', 'person_sport', 'person_sports'],
      expect.stringMatching(/^--relation: must be a relation of atlas \(.*\), got "person_sports"; /),
    ],
    [
      ['info-flow', '--data', 'nope.jsonl'],
      'data: must be atlas, a file, or the id of a data set on the Hub (owner/name), got "nope.jsonl" (ENOENT: no such file or directory); check the path',
    ],
    [
      ['info-flow', '--columns', 'prompt=text,answers=object'],
      '--columns: must be FIELD=COLUMN, once for each of prompt, subject, answer, id, relation, split that is named, got "answers=object"; write prompt=text,subject=entity,answer=object',
    ],
    [
      ['evaluate', '--columns', 'prompt=text,prompt=more'],
      expect.stringMatching(/^--columns: must be FIELD=COLUMN, .* got "prompt=more"; /),
    ],
    [
      ['heatmap', '--id', 'a', '--columns', 'prompt='],
      expect.stringMatching(/^--columns: must be FIELD=COLUMN, .* got "prompt="; /),
    ],
    [
      ['demo', '--columns', 'answer=object'],
      expect.stringMatching(
        /atlas.jsonl:1: the column for answer must be there, got "object" and the columns id, /,
      ),
    ],
    [['data', '--facts'], 'source: must be given with --facts, got nothing; name a data set, such as atlas'],
    [
      ['data', 'atlas', '--model', './nothing'],
      '--model: must be an embedded model (tiny-gpt2, tiny-mamba1, tiny-mamba2), a folder, or a model\'s id on the Hub, got "./nothing"; check the name or path',
    ],
    [
      ['data', 'atlas', '--model', 'tiny-gpt2', '--revision', 'x'],
      '--revision: must not be given with a folder or an embedded model, got "x" for "tiny-gpt2"; leave it out',
    ],
    [
      ['demo', '--out', '/dev/null/x'],
      '--out: must be a folder or a place for one, got "/dev/null/x" (ENOTDIR: not a directory); choose another place',
    ],
  ])('%j', async (args, message) => {
    expect((await refuse(args, { cwd: folder })).replace(/^error: /, '')).toEqual(message)
  })

  test.concurrent('no command shows the help on standard error, and is wrong usage', async () => {
    const { code, stdout, stderr } = await factflow([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^Usage: factflow /)
  })

  test.concurrent('--help is the result, and --version that of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(await succeed(['--version'])).toBe(`${version}\n`)
    expect(await succeed(['trace', '--help'])).toMatch(/^Usage: factflow trace \[options\] <prompt>\n/)
  })
})

describe('data sets', () => {
  const fact = { id: 'a', prompt: PROMPT, subject: 'Manila', answer: 'Philippines' }

  test.concurrent.each<[name: string, lines: string, message: RegExp]>([
    [
      'json.jsonl',
      `${JSON.stringify(fact)}\n{"id":`,
      /json.jsonl:2: a line must be JSON, got "{\\"id\\":"; /,
    ],
    // Of facts that the model does not know there is nothing to measure.
    [
      'unknown.jsonl',
      JSON.stringify({ ...fact, answer: 'cheese' }),
      /--data: the model must know some of the facts, got none of 1; /,
    ],
  ])('%s', async (name, lines, message) => {
    write(name, lines)
    expect(await refuse(['info-flow', '--data', name], { cwd: folder })).toMatch(message)
  })
})

describe('checkpoints', () => {
  const weights = readFileSync(join(RANDOM_MODEL, 'model.safetensors'))
  const headerBytes = Number(weights.readBigUInt64LE(0))
  const header = weights.subarray(8, 8 + headerBytes).toString()
  const config = JSON.parse(readFileSync(join(RANDOM_MODEL, 'config.json'), 'utf8')) as object

  /** A copy of the random checkpoint with another header, of the same length, or another config. */
  function checkpoint(name: string, change: { config?: object; header?: (text: string) => string }): string {
    mkdirSync(join(folder, name))
    write(join(name, 'config.json'), JSON.stringify({ ...config, ...change.config }))
    const changed = Buffer.from(weights)
    changed.write((change.header?.(header) ?? header).padEnd(headerBytes), 8)
    writeFileSync(join(folder, name, 'model.safetensors'), changed)
    return name
  }
  /** The command that needs nothing but config and weights. */
  const ask = ['knockout', '--model']
  const asked = { cwd: folder, input: '{"tokens":[1],"answer":1}' }
  const refused = (model: string): Promise<string> => refuse([...ask, model], asked)

  test.concurrent('another architecture', async () => {
    expect(await refused(checkpoint('other', { config: { model_type: 'bert' } }))).toMatch(
      /other\/config.json: model_type must be one of mamba, falcon_mamba, mamba2, gpt2, llama, mistral, qwen2, got "bert"; /,
    )
  })

  test.concurrent('a missing tensor', async () => {
    const rename = (text: string): string => text.replace('layers.3.mixer.D"', 'layers.3.mixer.E"')
    const { code, stderr } = await factflow([...ask, checkpoint('missing', { header: rename })], asked)
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^error: missing: [^\n]*backbone.layers.3.mixer.D[^\n]*; [^\n]+\n$/),
    })
  })

  test.concurrent('a tensor of another shape', async () => {
    expect(await refused(checkpoint('shape', { config: { state_size: 16 } }))).toMatch(
      /shape: tensor backbone.layers.0.mixer.x_proj.weight must have shape \[34,64\] .*, got \[18,64\]; /,
    )
  })

  test.concurrent('a tensor of a dtype that is not supported', async () => {
    const integers = (text: string): string => text.replace('"dtype":"F32"', '"dtype":"I32"')
    expect(await refused(checkpoint('dtype', { header: integers }))).toMatch(
      /model.safetensors: tensor "backbone.embeddings.weight" must be one of F32, .*, got "I32"; /,
    )
  })

  test.concurrent('a truncated file', async () => {
    const name = checkpoint('truncated', {})
    truncateSync(join(folder, name, 'model.safetensors'), weights.length - 1)
    expect(await refused(name)).toMatch(/truncated\/model.safetensors: /)
  })

  test.concurrent('a header that lies about its length', async () => {
    const name = checkpoint('lying', {})
    const lying = Buffer.from(weights)
    lying.writeBigUInt64LE(2n ** 60n, 0)
    writeFileSync(join(folder, name, 'model.safetensors'), lying)
    expect(await refused(name)).toMatch(/lying\/model.safetensors: .*1152921504606846976/)
  })

  test.concurrent('a folder without weights', async () => {
    mkdirSync(join(folder, 'none'))
    copyFileSync(join(RANDOM_MODEL, 'config.json'), join(folder, 'none', 'config.json'))
    expect(await refused('none')).toMatch(/none: weights must be model.safetensors or .*, got none of them; /)
  })

  test.concurrent('no tokenizer, for a command that needs one', async () => {
    expect(await refuse([...TRACE, '--model', RANDOM_MODEL])).toMatch(
      /mamba1-hf\/tokenizer.json: the tokenizer must exist, got no such file; /,
    )
  })
})

describe('output files', () => {
  test.concurrent.each([
    ['nowhere/x.svg', /nowhere\/x.svg: must be a file that can be written in ".*nowhere", got ENOENT: /],
    ['/dev/null', /\/dev\/null: must be a file or a new name, got a folder or device; /],
  ])('%j is refused before the work begins', async (file, message) => {
    // The unknown model would be an error later.
    expect(await refuse([...TRACE, '--model', 'x', '--svg', file], { cwd: folder })).toMatch(message)
  })

  test.concurrent('a command that fails leaves files as they are', async () => {
    const own = join(folder, 'own')
    mkdirSync(own)
    writeFileSync(join(own, 'kept.svg'), 'before')
    await refuse(['trace', PROMPT, '--subject', 'Rome', '--svg', 'kept.svg', '--png', 'new.png'], {
      cwd: own,
    })
    expect(readdirSync(own)).toEqual(['kept.svg'])
    expect(readFileSync(join(own, 'kept.svg'), 'utf8')).toBe('before')
  })

  test('a disk that is full in the middle of a file', () => {
    const own = join(folder, 'full')
    mkdirSync(own)
    writeFileSync(join(own, 'kept.png'), 'before')
    // No file may have more than 8 blocks of 512 bytes.
    const limited = 'ulimit -f 8; exec "$@"'
    const args = ['heatmap', PROMPT, '--subject', 'Manila', '--window', '24', '--png', 'kept.png']
    const { status, stdout, stderr } = spawnSync(
      'sh',
      ['-c', limited, 'sh', process.execPath, MAIN, ...args],
      {
        cwd: own,
        encoding: 'utf8',
      },
    )
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error: kept.png: [^\n]+, got EFBIG: file too large; [^\n]+\n$/),
    })
    expect(readdirSync(own)).toEqual(['kept.png'])
    expect(readFileSync(join(own, 'kept.png'), 'utf8')).toBe('before')
  })

  test.skipIf(!existsSync('/dev/full'))('a full disk under standard output', () => {
    const { status, stderr } = spawnSync(
      'sh',
      ['-c', '"$0" "$1" models > /dev/full', process.execPath, MAIN],
      {
        encoding: 'utf8',
      },
    )
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringMatching(/^error: standard output: must be writable, got ENOSPC[^\n]+; [^\n]+\n$/),
    })
  })
})
