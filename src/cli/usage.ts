/** Errors of usage, in the one form that all errors of input have: `where: rule, got value; what to do`. */
import type { Command, CommanderError } from 'commander'
import { InputError, show } from '../errors.js'

/** What the command-line parser complains about in the arguments of `command`. */
export function usageError(error: CommanderError, command: Command): InputError {
  // An argument may hold line ends; the parser adds the option that it takes the user to have meant as a last line.
  const meant = /\n\(Did you mean (.+)\?\)$/.exec(error.message)
  const text = error.message
    .slice(0, meant?.index)
    .replace(/^error: /, '')
    .replace(/\s+/g, ' ')
  const named = /'(.*)'/.exec(text)?.[1] ?? ''
  const name = command.parent ? `${command.parent.name()} ${command.name()}` : command.name()
  const next = meant ? `did you mean ${meant[1]}?` : `see ${name} --help`
  return new InputError(`${complaint(error.code, text, named, name)}; ${next}`)
}

function complaint(code: string, text: string, named: string, command: string): string {
  switch (code) {
    case 'commander.unknownCommand':
      return `command: must be one that ${command} has, got ${show(named)}`
    case 'commander.unknownOption':
      return `option: must be one that ${command} has, got ${show(named)}`
    case 'commander.missingArgument':
      return `<${named}>: must be given, got nothing`
    case 'commander.missingMandatoryOptionValue':
      return `${longName(named)}: must be given, got nothing`
    case 'commander.optionMissingArgument':
      return `${longName(named)}: must be followed by a value, got nothing`
    case 'commander.excessArguments': {
      const [expected, got] = text.match(/\d+/g) ?? []
      return expected === '0'
        ? `arguments: ${command} takes none, got ${got}`
        : `arguments: ${command} takes ${expected}, got ${got} (a text with spaces needs quotes)`
    }
    default:
      return text
  }
}

/** `-s, --subject <text>` to `--subject`. */
function longName(flags: string): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags
}
