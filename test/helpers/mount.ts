/** Disks that a test makes: small ones, and ones that may not be written to. Only root can, on Linux. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

function mount(...args: readonly string[]): boolean {
  return spawnSync('mount', args, { stdio: 'ignore' }).status === 0
}

/** Whether this process can make disks. */
export const CAN_MOUNT = canMount()

function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const dir = mkdtempSync(join(tmpdir(), 'factflow-mount-'))
  const can = mount('-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', dir)
  if (can) spawnSync('umount', [dir])
  rmSync(dir, { recursive: true, force: true })
  return can
}

/** A disk of some kilobytes at a folder that is there. */
export class SmallDisk {
  constructor(
    readonly dir: string,
    kilobytes: number,
  ) {
    if (!mount('-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', dir))
      throw new Error('no tmpfs can be made')
  }

  /** Make it as large, or forbid to write to it. */
  change(options: string): void {
    if (!mount('-o', `remount,${options}`, this.dir))
      throw new Error(`${this.dir}: cannot be made ${options}`)
  }

  close(): void {
    spawnSync('umount', ['--lazy', this.dir])
  }
}
