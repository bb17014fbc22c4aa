/** How a process of the crew comes to be: started by Node, which takes a while, or forked (nursery/). */
import { fork } from 'node:child_process'

export interface Listener {
  reported(report: string): void
  /** Called once. */
  ended(code: number | null, signal: string | null): void
}

/** A process that runs, or has run. */
export interface Launched {
  /** Nothing can be told to a process that is just ending: then nobody hears it. */
  tell(order: string): void
  /** `kill -9`. */
  kill(): void
}

export type Launch = (plan: object, listener: Listener) => Launched

// Nobody here speaks TLS, and reading certificates would more than double the time of a start.
export const env = { ...process.env, NODE_EXTRA_CA_CERTS: '' }

/** By Node, from a program of one file that is given its plan as an argument. */
export function byNode(program: string): Launch {
  return (plan, listener) => {
    const child = fork(program, [JSON.stringify(plan)], { execArgv: [], env })
    child.on('message', (report: string) => listener.reported(report))
    child.once('exit', (code, signal) => listener.ended(code, signal))
    return {
      tell(order) {
        if (child.connected) child.send(order, () => undefined)
      },
      kill: () => void child.kill('SIGKILL'),
    }
  }
}
