/** `kubectl`, which knows the cluster, its credentials and the user's contexts. */
import { spawn } from 'node:child_process'
import { errorCode, InputError, show } from '../errors.js'

export interface KubectlOptions {
  readonly context?: string
  readonly namespace?: string
  readonly input?: string
  /** Ends the process. */
  readonly signal?: AbortSignal
}

/** What kubectl says when it finds no cluster, or gets no answer. */
const UNREACHABLE =
  /unable to connect|connection (to the server .* was )?refused|no such host|timeout|timed out|deadline exceeded|context .*(not exist|must exist|not set)|API group list/i

/**
 * Run kubectl.
 * @returns what it printed
 * @throws InputError when there is no kubectl, or with its own first complaint when it fails
 */
export function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { context, namespace, input, signal } = options
  const all = [
    ...(context === undefined ? [] : ['--context', context]),
    ...(namespace === undefined ? [] : ['--namespace', namespace]),
    ...args,
  ]
  return new Promise((done, fail) => {
    const child = spawn('kubectl', all, { stdio: ['pipe', 'pipe', 'pipe'], signal })
    const out = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        out[name] += text
      })
    }
    child.on('error', (error) => {
      if (signal?.aborted) fail(error)
      else {
        const next = 'install it, or give the printed objects to kubectl elsewhere'
        fail(new InputError(`kubectl: must be on the PATH, got ${errorCode(error)}; ${next}`))
      }
    })
    child.on('close', (code, ending) => {
      if (code === 0) return done(out.stdout)
      const line = out.stderr
        .split('\n')
        .find((some) => some.trim() !== '' && !/^(Warning:|[EWI]\d{4} )/.test(some))
      const got = line === undefined ? `exit code ${code ?? ending}` : show(line.trim(), 300)
      const next = /immutable/.test(out.stderr)
        ? 'another study or other settings need new Jobs: give --resubmit'
        : UNREACHABLE.test(out.stderr)
          ? 'see which cluster is meant (--context, kubectl config current-context) and that it can be reached from here'
          : 'correct it, or try again'
      fail(new InputError(`kubectl ${args[0]}: must succeed, got ${got}; ${next}`))
    })
    // One that fails early does not read its input.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
