/**
 * Requests a second for one page of 10 KB: nginx on the cache's directory, which is the floor, and the ways of Node
 * (http-server.ts), one after another. And what the cache's directory costs nginx itself (nginx-at-once.ts).
 *
 * Node is warmed up until it gets no faster: its compiler takes seconds, and on a busy machine many of them.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/support/free-port.js'
import { isInstalled, Nginx, plainConfig } from './nginx.js'
import { measureNginxAtOnce } from './nginx-at-once.js'
import { installedPeerWays } from './peers/listeners.js'
import { compare, type Measured, type Speed } from './rounds.js'
import { textOf } from './texts.js'
import { ask, expectPage, type Server } from './wrk.js'

const bytes = 10 * 1024
/** How Node answers (http-server.ts); the others where they are installed. */
const ways = ['pagekeep/http', 'cache', 'constant'] as const
const program = fileURLToPath(new URL('http-server.ts', import.meta.url))
/** Warming up ends when so many rounds have brought nothing. */
const vainRounds = 2

export interface ServingOptions {
  readonly directory: string
  readonly rounds: number
  /** Of a round of one server, in whole seconds: wrk takes no others. */
  readonly roundSeconds: number
  /** In seconds. */
  readonly longestWarmUp: number
  /** nginx on its three directories; each round asks all of them for `roundSeconds`. */
  readonly atOnce: { readonly rounds: number; readonly roundSeconds: number }
  /** Whether Node is measured without `pagekeep/http` too. */
  readonly isFull: boolean
}

export interface Serving {
  /** The first is nginx on the cache's directory. */
  readonly node: readonly Measured[]
  /** The first is nginx on a plain directory. */
  readonly nginx: readonly Measured[]
}

/** Or why it could not be measured. */
export async function measureServing(options: ServingOptions): Promise<Serving | string> {
  const missing = ['nginx', 'wrk', 'taskset'].filter((name) => !isInstalled(name))
  if (missing.length > 0) return `${missing.join(' and ')} not installed`
  const home = mkdtempSync(path.join(options.directory, 'pagekeep-serving-'))
  const nodes: ChildProcess[] = []
  let nginx: Nginx | undefined
  try {
    const pages = path.join(home, 'pages')
    const plain = path.join(home, 'plain')
    mkdirSync(plain)
    const text = textOf('ASCII', bytes)
    writeFileSync(path.join(plain, 'page.html'), text)
    const servers: Server[] = []
    const others = options.isFull ? await installedPeerWays() : []
    for (const way of options.isFull ? [...ways, ...others] : ways.slice(0, 1)) {
      const port = await freePort()
      const own = path.join(home, way.replace(/\W+/g, '-'))
      const node = await serve([way, way === 'pagekeep/http' ? pages : own, port, bytes])
      nodes.push(node)
      servers.push({ name: `node, ${way}`, port, pids: [node.pid ?? 0] })
    }
    // The first request keeps the page, which nginx then has to find: nobody would answer in its place.
    await expectPage(servers[0]?.port ?? 0, text)
    const port = await freePort()
    nginx = await Nginx.start(path.join(home, 'nginx'), port, plainConfig(pages, port, await freePort()))
    servers.unshift({ name: 'nginx, cache directory', port, pids: nginx.pids })
    for (const { port } of servers) await expectPage(port, text)
    const node = await inTurns(servers, options)
    return { node, nginx: await measureNginxAtOnce({ home, plain, pages, text, ...options.atOnce }) }
  } finally {
    await nginx?.stop()
    for (const node of nodes) node.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
}

async function inTurns(servers: readonly Server[], options: ServingOptions): Promise<Measured[]> {
  const { rounds, roundSeconds, longestWarmUp } = options
  const served = servers.map((): Speed[] => [])
  for (const server of servers) {
    if (server.name.startsWith('node')) await warmUp(server, longestWarmUp)
    else await ask(server, 1)
  }
  for (let round = 0; round < rounds; round++) {
    // None is always the first, nor the last.
    const order = round % 2 === 0 ? servers.keys() : [...servers.keys()].reverse()
    for (const index of order) {
      const server = servers[index]
      if (server !== undefined) served[index]?.push(await ask(server, roundSeconds))
    }
  }
  return compare(
    servers.map(({ name }) => name),
    served,
  )
}

/** What counts is the processor's time, since the speed depends on what else runs. */
async function warmUp(server: Server, seconds: number): Promise<void> {
  let least = Number.POSITIVE_INFINITY
  let inVain = 0
  for (let second = 0; second < seconds && inVain < vainRounds; second++) {
    const { cpuUs } = await ask(server, 1)
    inVain = cpuUs < least * 0.95 ? 0 : inVain + 1
    least = Math.min(least, cpuUs)
  }
}

async function serve(args: readonly unknown[]): Promise<ChildProcess> {
  const server = fork(program, args.map(String), { execArgv: ['--import', 'tsx'] })
  await once(server, 'message')
  return server
}
