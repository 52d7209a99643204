/**
 * npm audit: fails when a package that is installed has a known weakness, and says so when the registry cannot be
 * asked, which is no failure.
 */
import { spawnSync } from 'node:child_process'
import process from 'node:process'

const print = (text) => process.stdout.write(`${text}\n`)

const { stdout } = spawnSync('npm', ['audit', '--json'], { encoding: 'utf8', maxBuffer: 1e8 })
let report
try {
  report = JSON.parse(stdout)
} catch {
  report = { message: 'no answer' }
}
if (report.auditReportVersion === undefined) {
  print(`skipped: npm audit, as the registry does not answer it (${report.message ?? report.error?.summary})`)
} else {
  for (const { name, severity } of Object.values(report.vulnerabilities)) {
    print(`${name}: ${severity}`)
  }
  const { total } = report.metadata.vulnerabilities
  print(`npm audit: ${total} known weaknesses`)
  process.exitCode = total > 0 ? 1 : 0
}
