/** All commands, in the order of the help: each adds itself to the program. */
import type { Command } from 'commander'
import { demoCommand } from './demo.js'
import { downloadCommand } from './download.js'
import { evaluateCommand } from './evaluate.js'
import { heatmapCommand } from './heatmap.js'
import { infoFlowCommand } from './info-flow.js'
import { knockoutCommand } from './knockout.js'
import { modelsCommand } from './models.js'
import { traceCommand } from './trace.js'

export const COMMANDS: readonly ((program: Command) => void)[] = [
  demoCommand,
  traceCommand,
  evaluateCommand,
  infoFlowCommand,
  heatmapCommand,
  knockoutCommand,
  modelsCommand,
  downloadCommand,
]
