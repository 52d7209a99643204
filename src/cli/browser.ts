/** Opens an address in the user's browser, by what each system has for it. */
import { spawn } from 'node:child_process'
import process from 'node:process'

/** Whether somebody sits in front of this machine: a terminal, and a display that browsers can use. */
export function canOpenBrowser({ env, platform, stdout } = process): boolean {
  if (!stdout.isTTY || env.SSH_CONNECTION || env.CI) return false
  return platform === 'win32' || platform === 'darwin' || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY)
}

/** The address has been printed: nothing more is said where no browser opens. */
export function openBrowser(url: string): void {
  const { platform } = process
  const [command, ...args] =
    platform === 'win32'
      ? ['rundll32', 'url.dll,FileProtocolHandler', url]
      : [platform === 'darwin' ? 'open' : 'xdg-open', url]
  spawn(command!, args, { detached: true, stdio: 'ignore' })
    .on('error', () => {})
    .unref()
}
