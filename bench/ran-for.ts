import { readdirSync, readFileSync } from 'node:fs'

/** For how many nanoseconds all threads of the process have run so far; 0 where the system does not tell. */
export function ranFor(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    const ran = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    return ran.reduce((sum, ns) => sum + Number(ns), 0)
  } catch {
    return 0
  }
}
