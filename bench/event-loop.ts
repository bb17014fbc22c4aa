/**
 * How much later the event loop of a site comes round because of the cache: the same site with and without it, asked
 * for the same pages at the same rate, in turns. What counts is the difference of the 99th hundredths within a round,
 * of which the median is told.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/support/free-port.js'
import type { LoopDelay } from './event-loop-server.js'
import { quantile, rounded } from './rounds.js'

const program = fileURLToPath(new URL('event-loop-server.ts', import.meta.url))
export const perSecond = 300
/** Requests are sent so often. */
const everyMs = 10
const sitePages = 400
const warmUpAtOnce = 8

export interface EventLoop {
  readonly bare: LoopDelay
  readonly cached: LoopDelay
  /** By how much the 99th hundredth is later with the cache, in milliseconds; below 0 when it is earlier. */
  readonly laterMs: number
  readonly quartiles: readonly [number, number]
  /** The same of the thread's own work (`busyP99Ms`): what no other program can add to. */
  readonly busierMs: number
  readonly rounds: number
}

export interface EventLoopOptions {
  readonly directory: string
  readonly rounds: number
  readonly roundMs: number
}

export async function measureEventLoop({ directory, rounds, roundMs }: EventLoopOptions): Promise<EventLoop> {
  const home = mkdtempSync(path.join(directory, 'pagekeep-loop-'))
  const ports = { bare: await freePort(), cached: await freePort() }
  const agent = new Agent({ keepAlive: true })
  const servers: ChildProcess[] = []
  const start = async (way: keyof typeof ports) => {
    const server = fork(program, [way, home, String(ports[way])], { execArgv: ['--import', 'tsx'] })
    servers.push(server)
    await once(server, 'message')
    return server
  }
  const delays: Record<keyof typeof ports, LoopDelay[]> = { bare: [], cached: [] }
  try {
    const [bare, cached] = await Promise.all([start('bare'), start('cached')])
    await Promise.all([warmUp(ports.bare, agent), warmUp(ports.cached, agent)])
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? (['bare', 'cached'] as const) : (['cached', 'bare'] as const)
      for (const way of order) {
        const server = way === 'bare' ? bare : cached
        server.send('begin')
        await ask(ports[way], agent, roundMs)
        const told = once(server, 'message')
        server.send('end')
        delays[way].push((await told)[0] as LoopDelay)
      }
    }
  } finally {
    agent.destroy()
    for (const server of servers) server.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
  const differences = (name: keyof LoopDelay) =>
    delays.cached.map((delay, round) => delay[name] - (delays.bare[round]?.[name] ?? Number.NaN))
  const later = differences('p99Ms')
  return {
    bare: medianOf(delays.bare),
    cached: medianOf(delays.cached),
    laterMs: rounded(quantile(later, 0.5)),
    quartiles: [rounded(quantile(later, 0.25)), rounded(quantile(later, 0.75))],
    busierMs: rounded(quantile(differences('busyP99Ms'), 0.5)),
    rounds,
  }
}

/** Asks for every page twice, so that all are kept and Node has compiled what serves them. */
async function warmUp(port: number, agent: Agent): Promise<void> {
  for (let page = 0; page < 2 * sitePages; page += warmUpAtOnce) {
    await Promise.all(Array.from({ length: warmUpAtOnce }, (_, at) => fetched(port, agent, (page + at) % sitePages)))
  }
}

/** Asks for pages at random at a steady rate, however long the answers take. */
async function ask(port: number, agent: Agent, forMs: number): Promise<void> {
  const asked: Promise<unknown>[] = []
  const began = performance.now()
  let sent = 0
  for (let elapsedMs = 0; elapsedMs < forMs; elapsedMs = performance.now() - began) {
    for (; sent < (elapsedMs / 1000) * perSecond; sent++)
      asked.push(fetched(port, agent, anyPage()).catch((thrown) => thrown))
    await setTimeout(everyMs)
  }
  const failed = (await Promise.all(asked)).find((outcome) => outcome !== undefined)
  if (failed !== undefined) throw failed
}

const anyPage = () => Math.floor(Math.random() * sitePages)

async function fetched(port: number, agent: Agent, page: number): Promise<void> {
  const outgoing = request({ host: '127.0.0.1', port, agent, path: `/page/${page}/` }).end()
  const [response] = await once(outgoing, 'response')
  response.resume()
  await once(response, 'end')
  if (response.statusCode !== 200) throw new Error(`Page ${page} was answered with ${response.statusCode}`)
}

function medianOf(delays: readonly LoopDelay[]): LoopDelay {
  const median = (name: keyof LoopDelay) =>
    rounded(
      quantile(
        delays.map((delay) => delay[name]),
        0.5,
      ),
    )
  return {
    medianMs: median('medianMs'),
    p99Ms: median('p99Ms'),
    maxMs: median('maxMs'),
    busyP99Ms: median('busyP99Ms'),
  }
}
