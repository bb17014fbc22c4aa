/** Runs `pagekeep` as a user does: a process of its own, judged by stdout, stderr and its exit code. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const tsx = fileURLToPath(import.meta.resolve('tsx'))
const main = `${root}src/cli/main.ts`

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
}

/** The variables of whoever runs the tests must not decide them. */
export function cleanEnvironment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(PAGEKEEP_|DATABASE_URL$|PG|NO_COLOR$|FORCE_COLOR$|NOTIFY_SOCKET$|WATCHDOG_)/.test(name),
  )
  return { ...Object.fromEntries(own), ...env }
}

export function startCli(args: readonly string[], { cwd, env }: RunOptions): ChildProcess {
  return spawn(process.execPath, ['--import', tsx, main, ...args], {
    cwd,
    env: cleanEnvironment({ TSX_TSCONFIG_PATH: `${root}tsconfig.json`, ...env }),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

export async function runCli(args: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = startCli(args, options)
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
  }
  child.stdin?.end(options.input ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...texts }
}
