/** What answers the calls that come to the local server. */
import type { CallName, CallOptions, Calls, Engine } from '../ui/protocol.js'
import type { Workbench } from '../ui/workbench.js'
import type { Studies } from './studies.js'

type Handlers = {
  readonly [Name in CallName]: (
    input: Calls[Name]['input'],
    options: CallOptions,
  ) => Promise<Calls[Name]['output']>
}

export function serverEngine(workbench: Workbench, studies: Studies): Engine {
  const handlers: Handlers = {
    models: () => workbench.models(),
    open: (input, options) => workbench.open(input, options),
    encode: (input, options) => workbench.encode(input, options),
    explore: (input, options) => workbench.explore(input, options),
    flows: (input, options) => workbench.flows(input, options),
    cut: (input, options) => workbench.cut(input, options),
    studies: () => studies.studies(),
    study: (input, options) => studies.study(input, options),
    curves: (input, options) => studies.curves(input, options),
    effects: (input, options) => studies.effects(input, options),
  }
  return { call: (name, input, options = {}) => handlers[name](input, options) }
}
