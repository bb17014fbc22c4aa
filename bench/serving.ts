/**
 * Requests a second over the loopback, by wrk, and the processor time of each: nginx and Node on the same page of
 * 10 KB. The floor is nginx on a plain directory; beside it nginx on the cache's directory, by the same configuration
 * and by the recipe (examples/nginx), and the ways of Node (http-server.ts).
 *
 * Each server is warmed up until it gets no faster: Node's compiler takes seconds, and on a busy machine many of them.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../test/support/free-port.js'
import { host, isInstalled, Nginx, plainConfig, recipeConfig } from './nginx.js'
import { compare, type Measured, quantile, rounded } from './rounds.js'
import { textOf } from './texts.js'

const bytes = 10 * 1024
const connections = 16
/** How Node answers (http-server.ts). */
const ways = ['pagekeep/http', 'cache', 'constant'] as const
const program = fileURLToPath(new URL('http-server.ts', import.meta.url))
/** Warming up ends when so many rounds have brought nothing, or after the most. */
const vainRounds = 2
const mostWarmUpRounds = 12

export interface ServingOptions {
  readonly directory: string
  readonly rounds: number
  /** Of a round of one server, in whole seconds: wrk takes no others. */
  readonly roundSeconds: number
  /** Whether Node is measured without `pagekeep/http` too. */
  readonly isFull: boolean
}

interface Server {
  readonly name: string
  readonly port: number
  /** The processes that answer. */
  readonly pids: readonly number[]
}

/** Or why it could not be measured. */
export async function measureServing(options: ServingOptions): Promise<readonly Measured[] | string> {
  const missing = ['nginx', 'wrk'].filter((name) => !isInstalled(name))
  if (missing.length > 0) return `${missing.join(' and ')} not installed`
  const home = mkdtempSync(path.join(options.directory, 'pagekeep-serving-'))
  const nodes: ChildProcess[] = []
  const nginxes: Nginx[] = []
  try {
    const pages = path.join(home, 'pages')
    const plain = path.join(home, 'plain')
    mkdirSync(plain)
    writeFileSync(path.join(plain, 'page.html'), textOf('ASCII', bytes))
    const servers: Server[] = []
    for (const way of options.isFull ? ways : ways.slice(0, 1)) {
      const port = await freePort()
      const node = await serve([way, way === 'pagekeep/http' ? pages : path.join(home, way), port, bytes])
      nodes.push(node)
      servers.push({ name: `node, ${way}`, port, pids: [node.pid ?? 0] })
    }
    const application = servers[0]?.port ?? 0
    // The first request keeps the page.
    await fetched(application)
    const trees = [
      ['recipe', pages, recipeConfig],
      ['cache directory', pages, plainConfig],
      ['plain directory', plain, plainConfig],
    ] as const
    for (const [name, root, configOf] of trees) {
      const port = await freePort()
      const nginx = await Nginx.start(
        path.join(home, `nginx-${nginxes.length}`),
        port,
        configOf(root, port, application),
      )
      nginxes.push(nginx)
      servers.unshift({ name: `nginx, ${name}`, port, pids: nginx.pids })
    }
    for (const { port } of servers) await fetched(port)
    return await race(servers, options)
  } finally {
    for (const nginx of nginxes) await nginx.stop()
    for (const node of nodes) node.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
}

async function race(servers: readonly Server[], { rounds, roundSeconds }: ServingOptions): Promise<Measured[]> {
  const speeds = servers.map((): number[] => [])
  const costs = servers.map((): number[] => [])
  for (const server of servers) {
    if (server.name.startsWith('node')) await warmUp(server)
    else await asked(server, 1)
  }
  for (let round = 0; round < rounds; round++) {
    // None is always the first, nor the last.
    const order = round % 2 === 0 ? servers.keys() : [...servers.keys()].reverse()
    for (const index of order) {
      const server = servers[index]
      if (server === undefined) continue
      const { perSecond, cpuUs } = await asked(server, roundSeconds)
      speeds[index]?.push(perSecond)
      costs[index]?.push(cpuUs)
    }
  }
  const names = servers.map(({ name }) => name)
  return compare(names, speeds).map((one, index) => ({ ...one, cpuUs: rounded(quantile(costs[index] ?? [], 0.5)) }))
}

/** What counts is the processor's time, since the speed depends on what else runs. */
async function warmUp(server: Server): Promise<void> {
  let least = Number.POSITIVE_INFINITY
  let inVain = 0
  for (let round = 0; round < mostWarmUpRounds && inVain < vainRounds; round++) {
    const { cpuUs } = await asked(server, 1)
    inVain = cpuUs < least * 0.95 ? 0 : inVain + 1
    least = Math.min(least, cpuUs)
  }
}

async function serve(args: readonly unknown[]): Promise<ChildProcess> {
  const server = fork(program, args.map(String), { execArgv: ['--import', 'tsx'] })
  await once(server, 'message')
  return server
}

async function fetched(port: number): Promise<void> {
  const outgoing = request({ host: '127.0.0.1', port, path: '/page.html', headers: { host } }).end()
  const [response] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  if (response.statusCode !== 200 || text !== textOf('ASCII', bytes)) {
    throw new Error(`Port ${port} answered ${response.statusCode} and ${text.length} characters`)
  }
}

/** Requests a second, and microseconds of the server's processor a request. */
async function asked({ port, pids }: Server, seconds: number): Promise<{ perSecond: number; cpuUs: number }> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-H', `Host: ${host}`, `http://127.0.0.1:${port}/page.html`]
  const before = cpuMsOf(pids)
  const { stdout } = await promisify(execFile)('wrk', args)
  const [, requests] = /(\d+) requests in/.exec(stdout) ?? []
  const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? []
  if (perSecond === undefined || /Non-2xx/.test(stdout)) throw new Error(`wrk said: ${stdout}`)
  return { perSecond: Number(perSecond), cpuUs: ((cpuMsOf(pids) - before) * 1000) / Number(requests) }
}

/** User and system time, of which Linux counts 100 a second; 0 where it cannot be read. */
function cpuMsOf(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      ticks += Number(fields[11]) + Number(fields[12])
    } catch {
      return 0
    }
  }
  return ticks * 10
}
