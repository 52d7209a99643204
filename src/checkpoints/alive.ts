import process from 'node:process'
import { errorCode } from '../errors.js'

/** Whether a process of this machine is running, whosever it is. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Somebody else's process.
    return errorCode(error) === 'EPERM'
  }
}
