/** Typed reading of config.json: every value is checked and errors name the file, the key, the rule and the value. */
import type { Checkpoint } from '../checkpoints/checkpoint.js'
import { InputError, show } from '../errors.js'

export class ConfigReader {
  constructor(private readonly checkpoint: Pick<Checkpoint, 'config' | 'configFile'>) {}

  private fail(key: string, rule: string): never {
    const value = this.checkpoint.config[key]
    const got = value === undefined ? 'nothing' : show(value)
    throw new InputError(
      `${this.checkpoint.configFile}: ${key} ${rule}, got ${got}; use the config.json of this model`,
    )
  }

  private value(key: string): unknown {
    return this.checkpoint.config[key]
  }

  /** A whole number from 1 to 2^31. */
  size(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 2 ** 31) {
      this.fail(key, 'must be a whole number above 0')
    }
    return value
  }

  /** A positive finite number. */
  number(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      this.fail(key, 'must be a number above 0')
    return value
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback
    if (typeof value !== 'boolean') this.fail(key, 'must be true or false')
    return value
  }

  oneOf<T extends string>(key: string, allowed: readonly T[], fallback: T): T {
    const value = this.value(key) ?? fallback
    const found = allowed.find((item) => item === value)
    if (found === undefined) this.fail(key, `must be one of ${allowed.join(', ')}`)
    return found
  }

  /** A value that is either text or something else. */
  text(key: string): string | undefined {
    const value = this.value(key)
    return typeof value === 'string' ? value : undefined
  }
}
