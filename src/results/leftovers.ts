/** Names of files that are not whole yet, and what becomes of those whose writers are no more. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { isRunning } from '../checkpoints/alive.js'

/** What temporary names end in. */
const TEMPORARY = '.tmp'
/** Milliseconds that nobody needs to write a file. */
const LONG = 3_600_000
/** Milliseconds by which times of files may be off. */
const SLACK = 5000

let own: string | undefined

/**
 * Where process ids mean what they mean here: a machine since it was started, and in it a container. Names of machines
 * alone will not do: containers on several machines that share a disk may have one name, and all of them a process 7.
 */
export function here(): string {
  own ??= `${hostname()}.${createHash('sha256')
    .update(`${orNothing(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))}`)
    .update(orNothing(() => readlinkSync('/proc/self/ns/pid')))
    .digest('hex')
    .slice(0, 8)}`
  return own
}

/** What Linux says; nothing elsewhere. */
function orNothing(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

/** A name for a file that is not whole yet: nobody else's, whatever the machine, process or task. */
export function temporaryName(name: string, pid = process.pid): string {
  return `.${name}.${here()}.${pid}.${randomBytes(4).toString('hex')}${TEMPORARY}`
}

/**
 * Remove what writers left that are no more: processes of this machine that have ended, and whatever is much older than
 * a file that was made just now.
 * @param now when that was, by the clock of the folder's disk, which need not be this machine's
 */
export async function removeLeftovers(dir: string, now: number): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith('.') || !name.endsWith(TEMPORARY)) continue
    const file = join(dir, name)
    const pid = Number(name.split('.').at(-3))
    const ours = name.includes(`.${here()}.${pid}.`)
    // The first process of a container may have had our id before us.
    const long = ours && pid === process.pid ? process.uptime() * 1000 + SLACK : LONG
    if ((ours && !isRunning(pid)) || (await age(file, now)) > long) await rm(file, { force: true })
  }
}

/** Milliseconds; of a file that another process has removed none. */
async function age(file: string, now: number): Promise<number> {
  const stats = await stat(file).catch(() => undefined)
  return stats ? now - stats.mtimeMs : 0
}
