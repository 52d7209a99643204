/** The version of factflow. */
import { readFileSync } from 'node:fs'

interface Package {
  readonly version: string
}

const FILE = new URL('../package.json', import.meta.url)

export const VERSION = (JSON.parse(readFileSync(FILE, 'utf8')) as Package).version
