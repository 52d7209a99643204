import { spawnSync } from 'node:child_process'
import process from 'node:process'

/** A Python that can import these modules (FACTFLOW_PYTHON names one); undefined when there is none. */
export function pythonWith(...modules: string[]): string | undefined {
  return [process.env.FACTFLOW_PYTHON, 'python3', 'python'].find(
    (python) => python && spawnSync(python, ['-c', `import ${modules.join(', ')}`]).status === 0,
  )
}
