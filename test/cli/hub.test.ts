/** Models on the Hub from the command line: progress, interruptions, two commands at once, `download`. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { testHub } from '../hub-server/environment.js'
import { mamba, oracleFiles, TOKENIZER, WEIGHT_BYTES, weights } from '../hub-server/models.js'
import { sha } from '../hub-server/server.js'
import { factflow, MAIN, refuse, start, succeed } from './command.js'

const hub = testHub()
const ID = 'owner/mamba'
const ETAG = sha('sha256', weights())
const LARGE = /^\/[0-9a-f]{64}$/
const LINE = '{"id":"a","tokens":[5,9,2],"answer":7,"knockouts":[]}'
const TOTAL = `${((WEIGHT_BYTES + TOKENIZER.length) / 1e3).toFixed(0)} kB`

function folder(commit: string): string {
  return join(hub.home, 'hub/models--owner--mamba/snapshots', commit)
}

function blobs(): string {
  return join(hub.home, 'hub/models--owner--mamba/blobs')
}

describe('--model with an id of the Hub', () => {
  test('downloads it, says so in one line, and then has it', async () => {
    const commit = hub.server.add(ID, mamba())
    const args = ['knockout', '--model', ID]
    const first = await factflow(args, { env: hub.env, input: LINE })
    expect(first).toMatchObject({ code: 0, stderr: `downloading ${ID} (${TOTAL}) to ${folder(commit)}\n` })
    expect(await succeed(args, { env: hub.env, input: LINE })).toBe(first.stdout)
    expect(hub.server.downloads).toHaveLength(1)
    const asked = hub.server.asked.length
    expect(await succeed([...args, '--offline'], { env: hub.env, input: LINE })).toBe(first.stdout)
    expect(hub.server.asked).toHaveLength(asked)
  })

  test('without the Hub, uses the cache with a note', async () => {
    const commit = hub.server.add(ID, mamba())
    await factflow(['download', ID], { env: hub.env })
    await hub.server.close()
    const { code, stderr } = await factflow(['knockout', '--model', ID], { env: hub.env, input: LINE })
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `note: ${ID}: ${new URL(hub.server.endpoint).host} gives ECONNREFUSED; using what is in the cache, commit ${commit}\n`,
    })
  })

  test('--revision and --tokenizer are heeded', async () => {
    hub.server.add(ID, oracleFiles('mamba1-hf'), { revisions: { v1: oracleFiles('mamba1-hf') } })
    const args = ['knockout', '--model', ID, '--revision']
    expect((await factflow([...args, 'v1'], { env: hub.env, input: LINE })).code).toBe(0)
    expect(await refuse([...args, 'v2'], { env: hub.env })).toContain('--revision must be a branch')
    const tokenizer = await refuse(['knockout', '--tokenizer', './nothing'], { env: hub.env })
    expect(tokenizer).toContain('--tokenizer: must be a folder, ')
  })

  test('gated: says what to do, and not the token', async () => {
    hub.server.add(ID, mamba(), { gatedFor: ['hf_ok'] })
    const env = { ...hub.env, HF_TOKEN: 'hf_other' }
    const message = await refuse(['knockout', '--model', ID], { env })
    expect(message).toContain(`accept the licence at ${hub.server.endpoint}/${ID}`)
    expect(message).not.toContain('hf_other')
  })
})

describe('download', () => {
  test('prints where the model lies, the same each time', async () => {
    const commit = hub.server.add(ID, mamba())
    const { code, stdout } = await factflow(['download', ID], { env: hub.env })
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${folder(commit)}\n` })
    expect(await succeed(['download', ID], { env: hub.env })).toBe(stdout)
  })

  test('also brings the tokenizer of a checkpoint of mamba_ssm', async () => {
    hub.server.add('state-spaces/mamba', oracleFiles('mamba1-original'))
    hub.server.add('EleutherAI/gpt-neox-20b', { ...mamba(), 'config.json': '{"model_type":"gpt_neox"}' })
    const { stderr } = await factflow(['download', 'state-spaces/mamba'], { env: hub.env })
    expect(stderr).toMatch(/^downloading state-spaces\/mamba .*\ndownloading EleutherAI\/gpt-neox-20b .*\n$/)
    expect(hub.server.files()).toEqual(['config.json', 'pytorch_model.bin', 'tokenizer.json'])
  })

  test.each(['tiny-mamba1', 'test/fixtures'])('refuses %s, which is here', async (name) => {
    expect(await refuse(['download', name], { env: hub.env })).toBe(
      `error: model: must be the id of a model on the Hub, got "${name}", which is here; use it as it is`,
    )
  })
})

describe('a damaged cache', { timeout: 120_000 }, () => {
  const cure = `if the cache is damaged, bring it anew with factflow download ${ID} --verify`

  test.each([
    ['weights that are cut', ETAG, (bytes: Buffer) => bytes.subarray(0, 100_000), /must .*, got .*/],
    ['a config.json that is cut', 'config.json', (bytes: Buffer) => bytes.subarray(0, 30), /must be JSON/],
    ['an empty config.json', 'config.json', () => Buffer.alloc(0), /must be JSON/],
  ] as const)('%s: is named, and --verify brings it anew', async (_, name, damage, wrong) => {
    const commit = hub.server.add(ID, mamba())
    const good = await factflow(['knockout', '--model', ID], { env: hub.env, input: LINE })
    const file = name === ETAG ? join(blobs(), ETAG) : realpathSync(join(folder(commit), name))
    const bytes = readFileSync(file)
    writeFileSync(file, damage(bytes))
    const refused = await factflow(['knockout', '--model', ID, '--offline'], { env: hub.env })
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    const message = refused.stderr
    expect(message).toMatch(wrong)
    expect(message).toContain(folder(commit))
    expect(message).toContain(cure)

    const offline = await refuse(['download', ID, '--verify', '--offline'], { env: hub.env })
    expect(offline).toMatch(
      /must have the (SHA-256|Git SHA-1) [0-9a-f]+, got [0-9a-f]+; run the same without/,
    )
    const { code, stderr } = await factflow(['download', ID, '--verify'], { env: hub.env })
    expect(code).toBe(0)
    expect(stderr).toMatch(/^note: .*: must have the (SHA-256|Git SHA-1) .*; it is downloaded anew\n/)
    expect(readFileSync(file)).toEqual(bytes)
    expect(await succeed(['download', ID, '--verify'], { env: hub.env })).toBe(`${folder(commit)}\n`)
    expect(await succeed(['knockout', '--model', ID], { env: hub.env, input: LINE })).toBe(good.stdout)
  })

  test('one bit of the weights is another: a study does not begin with it', async () => {
    const commit = hub.server.add(ID, mamba())
    await factflow(['download', ID], { env: hub.env })
    const bytes = readFileSync(join(blobs(), ETAG))
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(join(blobs(), ETAG), bytes)
    const facts = [{ id: 'a', prompt: 'a b', subject: 'a', answer: 'c' }]
    writeFileSync(join(hub.home, 'facts.jsonl'), facts.map((fact) => JSON.stringify(fact)).join('\n'))
    const study = { name: 's', models: [ID], data: 'facts.jsonl', figures: [] }
    writeFileSync(join(hub.home, 'study.json'), JSON.stringify(study))
    const { code, stderr } = await factflow(['study', 'study.json'], { env: hub.env, cwd: hub.home })
    expect(code).toBe(1)
    expect(stderr).toContain(
      `note: mamba cannot be computed: ${join(folder(commit), 'model.safetensors')}: must have the SHA-256 ${ETAG} that it is named after, got `,
    )
    expect(stderr).toContain(`; factflow download ${ID} --verify brings it anew`)
  })
})

describe('an interrupted download', () => {
  test.each(['SIGINT', 'SIGKILL'] as const)('by %s goes on where it was', async (signal) => {
    hub.server.add(ID, mamba())
    hub.server.fault({ path: LARGE, slow: 50, pieceBytes: 10_000 })
    const child = start(['download', ID], { env: hub.env })
    await until(() => partialBytes() >= 50_000)
    child.kill(signal)
    await once(child, 'close')
    const bytes = partialBytes()
    expect(bytes).toBeLessThan(WEIGHT_BYTES)
    const { code } = await factflow(['download', ID], { env: hub.env })
    expect(code).toBe(0)
    expect(hub.server.downloads.map(({ headers }) => headers.range)).toEqual([undefined, `bytes=${bytes}-`])
    expect(readFileSync(join(blobs(), ETAG)).equals(weights())).toBe(true)
    expect(partials()).toEqual([])
  })

  test.skipIf(process.platform === 'win32')('by a full disk says so, and goes on where it was', async () => {
    hub.server.add(ID, oracleFiles('mamba1-hf'))
    // Files of at most 100 blocks of 512 or 1024 bytes: less than the weights, more than config.json.
    const limited = spawn(
      'sh',
      ['-c', `trap '' XFSZ; ulimit -f 100; exec "$0" "$@"`, process.execPath, MAIN, 'download', ID],
      {
        env: { PATH: process.env.PATH, ...hub.env },
      },
    )
    let stderr = ''
    limited.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const [code] = (await once(limited, 'close')) as [number]
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/\nerror: .*: there must be room for it, got EFBIG; make room, /),
    })
    const bytes = partialBytes()
    expect(bytes).toBeGreaterThan(50_000)
    expect((await factflow(['download', ID], { env: hub.env })).code).toBe(0)
    expect(hub.server.downloads.at(-1)!.headers.range).toBe(`bytes=${bytes}-`)
  })
})

test('several commands at once download a model once', async () => {
  hub.server.add(ID, mamba())
  hub.server.fault({ path: LARGE, slow: 100, pieceBytes: 20_000 })
  const results = await Promise.all([1, 2, 3].map(() => factflow(['download', ID], { env: hub.env })))
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0])
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1)
  expect(readFileSync(join(blobs(), ETAG)).equals(weights())).toBe(true)
  expect(partials()).toEqual([])
  expect(hub.server.downloads).toHaveLength(1)
})

/** util-linux's script(1) runs a command in a terminal; without it there is none to test in. */
const hasScript =
  spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false

test.skipIf(!hasScript)('in a terminal a bar shows how much has come and how fast', async () => {
  hub.server.add(ID, mamba())
  hub.server.fault({ path: LARGE, slow: 150, pieceBytes: 50_000 })
  const command = `stty cols 100; '${process.execPath}' '${MAIN}' download ${ID} > /dev/null`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env.PATH, TERM: 'xterm', ...hub.env },
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (some: string) => {
    text += some
  })
  await once(child, 'close')
  expect(text).toMatch(new RegExp(`download ${ID} [━─]+ +\\d+ % .* \\d+ kB of ${TOTAL}  \\d+ kB/s`))
  expect(text).not.toContain('downloading')
})

function partials(): string[] {
  try {
    return readdirSync(blobs()).filter((name) => name.endsWith('.incomplete'))
  } catch {
    return []
  }
}

/** The bytes that have come of the weights. */
function partialBytes(): number {
  const name = partials().find((partial) => partial.startsWith(ETAG))
  return name === undefined ? 0 : readFileSync(join(blobs(), name)).length
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10)
}
