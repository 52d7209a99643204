/** What the command's exit codes mean; scripts, clusters and users go by them. */

/** Some inputs failed, or something is missing; what could be done was. */
export const EXIT_SOME_FAILED = 1
/** What was asked for cannot be done as asked: bad options, missing files. */
export const EXIT_USAGE = 2
/** A fault of factflow itself (sysexits EX_SOFTWARE). */
export const EXIT_FAULT = 70
/** Stopped, or waiting for others: the same command goes on (sysexits EX_TEMPFAIL). */
export const EXIT_GO_ON = 75
/** As shells count it: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130
/** 128 + SIGTERM, of a process that was told to stop before it listened. */
export const EXIT_TERMINATED = 143
