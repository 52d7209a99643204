/** The demo study, killed at twenty random moments and resumed each time: the same tables as if nobody had. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { seededRandom } from '../../src/prompts/sample.js'
import { Results } from '../../src/results/results.js'
import { TABLES } from '../../src/results/tables.js'
import { factflow, start } from '../cli/command.js'

const KILLS = 20
/** Milliseconds: of the whole, and of one attempt at most. */
const TIMEOUT = 900_000

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'factflow-kill-'))
})
afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
})

/** Run a command for a while and kill it; whether it ended by itself before. */
function killedAfter(milliseconds: number, args: readonly string[]): Promise<boolean> {
  const child = start(args)
  child.stdin.end()
  child.stdout.resume()
  child.stderr.resume()
  const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds)
  return new Promise((done) => {
    child.on('close', (_, signal) => {
      clearTimeout(timer)
      done(signal !== 'SIGKILL')
    })
  })
}

async function tables(run: string): Promise<unknown[][]> {
  const results = await Results.open([run])
  try {
    const names = Object.keys(TABLES)
    return await Promise.all(
      names.map((name) => results.rows(`SELECT * EXCLUDE (run) FROM ${name} ORDER BY ALL`)),
    )
  } finally {
    results.close()
  }
}

it(
  'a study that is killed again and again gives the same numbers to the last bit',
  async () => {
    const [whole, killed] = [join(dir, 'whole'), join(dir, 'killed')]
    const began = performance.now()
    expect(await factflow(['study', 'demo', '--out', whole])).toMatchObject({ code: 0 })
    const duration = performance.now() - began
    const random = seededRandom(20_240_524)
    let kills = 0
    let ended = 0
    while (kills < KILLS) {
      // Long enough to get somewhere, short enough that twenty of them do not always get to the end.
      const finished = await killedAfter(1000 + random() * 0.25 * duration, [
        'study',
        'demo',
        '--out',
        killed,
      ])
      if (finished) ended++
      else kills++
      // A finished study is done at once: begin anew, the kills are not for the drawing alone.
      if (finished) await rm(killed, { recursive: true, force: true })
    }
    expect(await factflow(['study', 'demo', '--out', killed])).toMatchObject({ code: 0 })
    process.stdout.write(
      `${kills} kills, ${ended} times through; a whole run takes ${(duration / 1000).toFixed(0)} s\n`,
    )
    const [expected, got] = [await tables(whole), await tables(killed)]
    expect(got).toEqual(expected)
    expect(expected[0]!.length).toBeGreaterThan(100_000)
  },
  TIMEOUT,
)
