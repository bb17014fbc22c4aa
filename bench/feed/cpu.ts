/**
 * What a commit costs the processors, process by process, while many write: seen from outside, in the scheduler's
 * own accounts (`/proc/PID/schedstat`, so on Linux only). On a machine with other work it says more than commits
 * per second, though caches that others have filled still show in it.
 *
 * From no trigger to all of it in steps: a trigger that does nothing, without and with transition tables; the
 * feed's triggers with nobody who reads, while a lease runs; and with a reader.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { ranFor } from '../ran-for.js'
import { rounded } from '../rounds.js'
import type { Bench } from './bench.js'
import { middle } from './ratio.js'
import { tables } from './shop.js'
import type { WriterGroup } from './writers.js'

export interface CpuCost {
  readonly name: string
  /** Microseconds for each commit: of the server's processes, of the reader, of the writers. */
  readonly server: number
  readonly reader: number
  readonly writers: number
}

export interface CpuPlan {
  readonly rounds: number
  readonly seconds: number
  readonly writers: number
}

const steps = [
  { name: 'no trigger', table: tables.plain, isRead: false },
  { name: 'an empty trigger', table: 'empty', isRead: false },
  { name: 'the same with transition tables', table: 'transition', isRead: false },
  { name: 'the feed, nobody reads', table: tables.leased, isRead: false },
  { name: 'the feed, and a reader', table: tables.leased, isRead: true },
] as const
type Step = (typeof steps)[number]
type Part = 'server' | 'reader' | 'writers'

const emptyTriggersSql = `
  CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  ${['empty', 'transition']
    .map((table) => `CREATE TABLE ${table} (LIKE plain INCLUDING ALL); INSERT INTO ${table} SELECT * FROM plain;`)
    .join('\n')}
  CREATE TRIGGER nothing AFTER UPDATE ON empty FOR EACH STATEMENT EXECUTE FUNCTION do_nothing();
  CREATE TRIGGER nothing AFTER UPDATE ON transition REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION do_nothing();`

export async function measureCpu(bench: Bench, plan: CpuPlan): Promise<CpuCost[]> {
  await bench.client.query(emptyTriggersSql)
  const found = new Map<Step, Record<Part, number>[]>(steps.map((step) => [step, []]))
  for (let round = 0; round < plan.rounds; round++) {
    for (const step of round % 2 === 0 ? steps : steps.toReversed()) {
      const cost = await costOf(bench, step, plan)
      found.get(step)?.push(cost)
      bench.progress(`${step.name}: ${JSON.stringify(cost)} µs a commit`)
    }
  }
  return steps.map((step) => {
    const of = (part: Part) => rounded(middle((found.get(step) ?? []).map((cost) => cost[part])))
    return { name: step.name, server: of('server'), reader: of('reader'), writers: of('writers') }
  })
}

async function costOf(bench: Bench, { table, isRead }: Step, plan: CpuPlan): Promise<Record<Part, number>> {
  const { client, consumers, writers } = bench
  if (isRead) await consumers.leased.start()
  // A lease that another listener took: nobody NOTIFYs.
  await client.query(`SELECT setval('pagekeep.lease', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 30000)`)
  // Each has its own connections: those of other steps would be too many.
  const group: WriterGroup = writers.start({ table, writers: plan.writers })
  try {
    // Connecting and planning.
    await wait(2000)
    const commitsBefore = await commitsOf(bench, table)
    const before = cpuOf(await partsOf(bench))
    await wait(plan.seconds * 1000)
    const after = cpuOf(await partsOf(bench))
    const commits = (await commitsOf(bench, table)) - commitsBefore
    const cost = (part: Part) => rounded((after[part] - before[part]) / 1000 / commits)
    return { server: cost('server'), reader: cost('reader'), writers: cost('writers') }
  } finally {
    group.stop()
    if (isRead) await consumers.leased.stop()
  }
}

/** Which process plays which part. */
async function partsOf({ client, consumers }: Bench): Promise<Record<Part, number[]>> {
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
  const all = processes()
  const postmaster = all.find(({ pid }) => pid === rows[0].pid)?.parent
  const own = all.filter(({ parent }) => parent === process.pid)
  const isWriter = (command: string) => command.includes('pgbench') || command.includes('writer-child')
  return {
    server: all.filter(({ parent }) => parent === postmaster).map(({ pid }) => pid),
    reader: [consumers.leased.pid],
    writers: own.filter(({ command }) => isWriter(command)).map(({ pid }) => pid),
  }
}

function processes(): { pid: number; parent: number; command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      return [{ pid: Number(name), parent: Number(parent), command }]
    } catch {
      // It has ended.
      return []
    }
  })
}

/** Nanoseconds that all threads have run so far. */
function cpuOf(parts: Record<Part, readonly number[]>): Record<Part, number> {
  const of = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + ranFor(pid), 0)
  return { server: of(parts.server), reader: of(parts.reader), writers: of(parts.writers) }
}

async function commitsOf({ client }: Bench, table: string): Promise<number> {
  const { rows } = await client.query(`SELECT sum(price)::float8 AS changes FROM ${table}`)
  return rows[0].changes
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
