/** Typed reading of config.json: every value is checked and errors name the file, the key, the rule and the value. */
import { isObject } from '../checkpoints/json.js'
import { InputError, show } from '../errors.js'
import type { ConfigSource } from './architecture.js'

/** Sizes beyond it are of no model, as token ids beyond it are not. */
const MOST = 2 ** 24
const MOST_LAYERS = 1000

export class ConfigReader {
  constructor(private readonly source: ConfigSource) {}

  private fail(key: string, rule: string, advice = 'use the config.json of this model'): never {
    const value = this.source.config[key]
    const got = value === undefined ? 'nothing' : show(value)
    throw new InputError(`${this.source.configFile}: ${key} ${rule}, got ${got}; ${advice}`)
  }

  private value(key: string): unknown {
    return this.source.config[key]
  }

  /** A whole number from 1 to `most`. */
  size(key: string, fallback?: number, most = MOST): number {
    const value = this.value(key) ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1) {
      this.fail(key, 'must be a whole number above 0')
    }
    if (value > most) this.fail(key, `must be at most ${most}`)
    return value
  }

  /** How many layers: names and shapes are listed for each, so a config may not ask for millions. */
  layers(key: string, fallback?: number): number {
    return this.size(key, fallback, MOST_LAYERS)
  }

  /** A whole number from 0 to 2^24. */
  count(key: string, fallback?: number): number {
    return (this.value(key) ?? fallback) === 0 ? 0 : this.size(key, fallback)
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
    if (found === undefined) this.refuse(key, `must be one of ${allowed.join(', ')}`)
    return found
  }

  /** Two numbers, the first not above the second; infinite ones are allowed. */
  range(key: string, fallback: readonly [number, number]): readonly [number, number] {
    const value = this.value(key) ?? fallback
    const numbers = Array.isArray(value) ? (value as unknown[]) : []
    const [least, most] = numbers
    if (numbers.length !== 2 || typeof least !== 'number' || typeof most !== 'number' || !(least <= most)) {
      this.fail(key, 'must be two numbers, the smaller first')
    }
    return [least, most]
  }

  /** An object, or undefined when it is absent or null. Its values are read as this config's are. */
  object(key: string): ConfigReader | undefined {
    const value = this.value(key) ?? undefined
    if (value === undefined) return undefined
    if (!isObject(value)) this.fail(key, 'must be an object or null')
    return new ConfigReader({ config: value, configFile: `${this.source.configFile}: ${key}` })
  }

  /** A list of words, or undefined when it is absent or null. */
  words(key: string): readonly string[] | undefined {
    const value = this.value(key) ?? undefined
    if (value === undefined) return undefined
    if (!Array.isArray(value) || value.some((word) => typeof word !== 'string')) {
      this.fail(key, 'must be a list of words')
    }
    return value as string[]
  }

  has(key: string): boolean {
    return (this.value(key) ?? undefined) !== undefined
  }

  /** That `part` (the value of `key`) divides `whole`. */
  divides(key: string, part: number, wholeKey: string, whole: number): void {
    if (whole % part !== 0) this.fail(key, `must divide ${wholeKey} (${whole})`)
  }

  /** Refuse a value for which factflow would compute something else than the model does. */
  refuse(key: string, rule: string): never {
    return this.fail(key, rule, 'factflow computes nothing else, use another model')
  }

  /** A value that is either text or something else. */
  text(key: string): string | undefined {
    const value = this.value(key)
    return typeof value === 'string' ? value : undefined
  }
}
