/** The definitions of the commands: their help, and the parser's complaints in the form of all errors of input. */
import { Command, CommanderError } from 'commander'
import { describe, expect, test } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.js'
import { usageError } from '../../src/cli/usage.js'
import { InputError } from '../../src/errors.js'

/** The commands, with what they write. */
function program(): { root: Command; written: string[] } {
  const written: string[] = []
  const write = (text: string): void => {
    written.push(text)
  }
  const root = new Command('factflow').configureOutput({
    writeOut: write,
    outputError: () => {},
    getOutHelpWidth: () => 80,
  })
  for (const add of COMMANDS) add(root)
  return { root, written }
}

describe('help', () => {
  const names = program().root.commands.map((command) => command.name())

  test('every command is there', () => {
    expect(names).toEqual([
      'demo',
      'ui',
      'trace',
      'evaluate',
      'info-flow',
      'heatmap',
      'study',
      'status',
      'slurm',
      'kubernetes',
      'results',
      'figure',
      'import',
      'knockout',
      'models',
      'data',
      'download',
    ])
  })

  test.each(names)('of %s fits in 80 columns and describes every option', (name) => {
    const { root, written } = program()
    const command = root.commands.find((one) => one.name() === name)!
    command.outputHelp()
    const help = written.join('')
    expect(help).toMatch(new RegExp(`^Usage: factflow ${name}`))
    expect(help.split('\n').filter((line) => line.length > 80)).toEqual([])
    for (const { long, description } of command.options) {
      expect(help).toContain(long)
      expect(description).not.toBe('')
    }
  })
})

describe('usageError', () => {
  test.each([
    [['bogus'], 'command: must be one that factflow has, got "bogus"; see factflow --help'],
    [['heatmaps'], 'command: must be one that factflow has, got "heatmaps"; did you mean heatmap?'],
    [['--nope'], 'option: must be one that factflow has, got "--nope"; see factflow --help'],
    [
      ['models', '--jsno'],
      'option: must be one that factflow models has, got "--jsno"; did you mean --json?',
    ],
    [
      ['models', '-x\ny'],
      'option: must be one that factflow models has, got "-x y"; see factflow models --help',
    ],
    [['models', "-'"], `option: must be one that factflow models has, got "-'"; see factflow models --help`],
    [['trace', '-s', 'a'], '<prompt>: must be given, got nothing; see factflow trace --help'],
    [['trace', 'a', '-s'], '--subject: must be followed by a value, got nothing; see factflow trace --help'],
    [
      ['trace', 'Rome', 'is', 'in', '-s', 'Rome'],
      'arguments: factflow trace takes 1, got 3 (a text with spaces needs quotes); see factflow trace --help',
    ],
    [
      ['evaluate', '--splits', 'all'],
      'option: must be one that factflow evaluate has, got "--splits"; did you mean --split?',
    ],
    [['models', 'a'], 'arguments: factflow models takes none, got 1; see factflow models --help'],
  ])('of %j', async (args, message) => {
    const { root } = program()
    for (const command of [root, ...root.commands]) {
      command.exitOverride((error) => {
        throw usageError(error, command)
      })
    }
    await expect(root.parseAsync(args, { from: 'user' })).rejects.toThrow(new InputError(message))
  })

  test('of a complaint that it does not know keeps the text', () => {
    const error = new CommanderError(1, 'commander.new', 'error: a new rule\nof the parser')
    expect(usageError(error, new Command('factflow')).message).toBe(
      'a new rule of the parser; see factflow --help',
    )
  })
})
