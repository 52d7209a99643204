/** All commands, in the order of the help: each adds itself to the program. */
import type { Command } from 'commander'
import { dataCommand } from './data.js'
import { demoCommand } from './demo.js'
import { downloadCommand } from './download.js'
import { evaluateCommand } from './evaluate.js'
import { figureCommand } from './figure.js'
import { heatmapCommand } from './heatmap.js'
import { importCommand } from './import.js'
import { infoFlowCommand } from './info-flow.js'
import { knockoutCommand } from './knockout.js'
import { kubernetesCommand } from './kubernetes.js'
import { modelsCommand } from './models.js'
import { resultsCommand } from './results.js'
import { slurmCommand } from './slurm.js'
import { statusCommand } from './status.js'
import { studyCommand } from './study.js'
import { traceCommand } from './trace.js'
import { uiCommand } from './ui.js'

export const COMMANDS: readonly ((program: Command) => void)[] = [
  demoCommand,
  uiCommand,
  traceCommand,
  evaluateCommand,
  infoFlowCommand,
  heatmapCommand,
  studyCommand,
  statusCommand,
  slurmCommand,
  kubernetesCommand,
  resultsCommand,
  figureCommand,
  importCommand,
  knockoutCommand,
  modelsCommand,
  dataCommand,
  downloadCommand,
]
