#!/usr/bin/env node
/** The `factflow` command. */
import process from 'node:process'
import { Command, CommanderError } from 'commander'
import { InputError, outOfMemory } from '../errors.js'
import { EXIT_FAULT, EXIT_USAGE } from '../exit-codes.js'
import { visibleText } from '../figures/text.js'
import { VERSION } from '../version.js'
import { COMMANDS } from './commands.js'
import { note } from './terminal.js'
import { usageError } from './usage.js'

function createProgram(): Command {
  const program = new Command('factflow')
    .description(
      "See where a language model's facts flow: exact attention knockout, every knockout in one sweep over the layers.",
    )
    .version(VERSION)
    // Errors go to standard error once, below.
    .configureOutput({ outputError: () => {} })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 some inputs failed, 2 usage or unusable input,\n70 a fault of factflow, 75 stopped or waiting: run the same command again.',
    )
  for (const add of COMMANDS) add(program)
  for (const command of [program, ...program.commands]) {
    command.exitOverride((error) => {
      throw error.exitCode === 0 || error.code === 'commander.help' ? error : usageError(error, command)
    })
  }
  return program
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that closes early (`| head`) is not an error.
  if (error.code === 'EPIPE') process.exit(0)
  note(`error: standard output: must be writable, got ${error.message}; make room or write elsewhere`)
  process.exit(EXIT_USAGE)
})

try {
  await createProgram().parseAsync()
} catch (thrown) {
  const error = outOfMemory(thrown) ?? thrown
  if (error instanceof CommanderError) {
    // Help or the version was shown; help without having been asked for it, when no command was named.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE
  } else if (error instanceof InputError) {
    // One line, whatever the input had in it.
    note(`error: ${visibleText(error.message)}`)
    process.exitCode = EXIT_USAGE
  } else {
    note(
      `error: this is a fault of factflow, please report it\n${error instanceof Error ? error.stack : String(error)}`,
    )
    process.exitCode = EXIT_FAULT
  }
}
