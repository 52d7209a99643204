/**
 * A Slurm cluster of one node on the loopback interface, with a folder and ports of its own: Debian's slurm-wlm, without
 * munge and accounting. Jobs of the partition `high` put those of `low`, the default, back into the queue, and those of
 * `grace`, too, ten seconds after they were told.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const DAEMONS = ['/usr/sbin/slurmctld', '/usr/sbin/slurmd']
/** Tasks of one processor that run at the same time. */
const CPUS = 2
/** Milliseconds: until the node is there, and until jobs that were cancelled are gone. */
const START = 60_000
const STOP = 15_000

/** Why there can be no cluster here; undefined when there can. */
export function noCluster(): string | undefined {
  const missing = DAEMONS.filter((file) => !existsSync(file))
  if (missing.length > 0) return `Slurm is not installed (${missing.join(', ')}): apt-get install slurm-wlm`
  return process.getuid?.() === 0 ? undefined : 'Slurm’s daemons need root to run jobs'
}

export class SlurmCluster {
  readonly #daemons: ChildProcess[] = []

  private constructor(
    /** Logs and state of the cluster. */
    readonly dir: string,
    /** What its commands need. */
    readonly env: Readonly<Record<string, string>>,
  ) {}

  static async start(): Promise<SlurmCluster> {
    const dir = mkdtempSync(join(tmpdir(), 'factflow-slurm-'))
    const conf = join(dir, 'slurm.conf')
    for (const folder of ['state', 'spool']) mkdirSync(join(dir, folder))
    writeFileSync(conf, configuration(dir, await freePort(), await freePort()))
    const cluster = new SlurmCluster(dir, { SLURM_CONF: conf })
    try {
      cluster.#daemon('/usr/sbin/slurmctld')
      cluster.#daemon('/usr/sbin/slurmd', '-N', 'node')
      await until(START, async () => {
        const state = await cluster.run('sinfo', '--noheader', '--partition=low', '--format=%T')
        return state.trim() === 'idle'
      })
    } catch (error) {
      const logs = ['slurmctld', 'slurmd'].map((name) => readIfThere(join(dir, `${name}.log`)))
      await cluster.stop()
      throw new Error(`the cluster did not start:\n${logs.join('\n')}`, { cause: error })
    }
    return cluster
  }

  #daemon(program: string, ...args: string[]): void {
    const env = { PATH: process.env.PATH, ...this.env }
    const options = ['-D', '-c', '-f', this.env.SLURM_CONF!, ...args]
    this.#daemons.push(spawn(program, options, { env, stdio: 'ignore' }))
  }

  /** Run one of Slurm's commands; returns its standard output. */
  async run(command: string, ...args: string[]): Promise<string> {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...this.env }
    const { stdout } = await promisify(execFile)(command, args, { env, cwd: this.dir })
    return stdout
  }

  /** Jobs and tasks in the queue, `12_3 RUNNING`. */
  async queue(): Promise<string[]> {
    const out = await this.run('squeue', '--noheader', '--array', '--format=%i %T')
    return out.split('\n').flatMap((one) => one.trim() || [])
  }

  /** Processes that have the cluster's variable in their environment: all that it ever started. */
  #processes(): number[] {
    const mark = `SLURM_CONF=${this.env.SLURM_CONF}`
    const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return all.map(Number).filter((pid) => readIfThere(`/proc/${pid}/environ`).split('\0').includes(mark))
  }

  /** End all that the cluster started, whatever state it is in, and remove its folder. */
  async stop(): Promise<void> {
    try {
      await this.run('scancel', '--user=root')
      await until(STOP, async () => (await this.queue()).length === 0)
    } catch {
      // A controller that does not answer, and jobs that do not end, are killed as they are.
    }
    for (const daemon of this.#daemons) daemon.kill('SIGKILL')
    for (const pid of this.#processes()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

/** Wait until something holds; while asking fails it does not. @throws when it does not within so many milliseconds */
export async function until(milliseconds: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + milliseconds
  let failed: unknown
  while (Date.now() < end) {
    try {
      if (await holds()) return
      failed = undefined
    } catch (error) {
      failed = error
    }
    await new Promise((done) => setTimeout(done, 300))
  }
  throw new Error(`did not come to hold in ${milliseconds} ms: ${holds}`, { cause: failed })
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // A process that has ended meanwhile.
    return ''
  }
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer()
    server.on('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => done(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

function configuration(dir: string, controller: number, node: number): string {
  return `ClusterName=loopback
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmctldPort=${controller}
SlurmdPort=${node}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/none
CredType=cred/none
# Seconds: a task that is put back into the queue waits as long before it starts again.
AuthInfo=cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation=${dir}/state
SlurmdSpoolDir=${dir}/spool
SlurmctldPidFile=${dir}/slurmctld.pid
SlurmdPidFile=${dir}/slurmd.pid
SlurmctldLogFile=${dir}/slurmctld.log
SlurmdLogFile=${dir}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=20
# Whatever processors the machine has.
SlurmdParameters=config_overrides
NodeName=node NodeHostname=${hostname()} NodeAddr=127.0.0.1 CPUs=${CPUS} RealMemory=4000 State=UNKNOWN
PartitionName=low Nodes=node Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=grace Nodes=node MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=10
PartitionName=high Nodes=node MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
`
}
