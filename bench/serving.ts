/**
 * Requests a second over the loopback, by wrk: nginx and Node on the same page of 10 KB. Node's ways are measured
 * against nginx on the very file; nginx on the cache's tree against nginx on a plain tree.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../test/support/free-port.js'
import { cacheTree, isInstalled, Nginx, plainTree } from './nginx.js'
import { compare, type Measured } from './rounds.js'
import { textOf } from './texts.js'

const bytes = 10 * 1024
const connections = 16
/** How Node answers (http-server.ts). */
const ways = ['pagekeep/http', 'cache', 'constant'] as const
const program = fileURLToPath(new URL('http-server.ts', import.meta.url))

export interface ServingOptions {
  readonly directory: string
  readonly rounds: number
  /** Of a round of one server, in whole seconds: wrk takes no others. */
  readonly roundSeconds: number
  /** Whether Node is measured without `pagekeep/http` too. */
  readonly isFull: boolean
}

/** Or why it could not be measured. */
export async function measureServing(options: ServingOptions): Promise<readonly Measured[] | string> {
  const missing = ['nginx', 'wrk'].filter((name) => !isInstalled(name))
  if (missing.length > 0) return `${missing.join(' and ')} not installed`
  const home = mkdtempSync(path.join(options.directory, 'pagekeep-serving-'))
  const servers: ChildProcess[] = []
  let nginx: Nginx | undefined
  try {
    const pages = path.join(home, 'pages')
    const plain = path.join(home, 'plain')
    mkdirSync(plain)
    writeFileSync(path.join(plain, 'page.html'), textOf('ASCII', bytes))
    const measured = options.isFull ? ways : ways.slice(0, 1)
    const ports = await freePorts(measured.length + 2)
    const [onPlain = 0, onPages = 0, ...nodes] = ports
    const started = measured.map((way, at) => serve([way, at === 0 ? pages : `${pages}-${way}`, nodes[at], bytes]))
    servers.push(...(await Promise.all(started)))
    // The first request of each keeps the page.
    for (const port of nodes) await fetched(port)
    nginx = await Nginx.start(path.join(home, 'nginx'), [
      { port: onPlain, lines: plainTree(plain) },
      { port: onPages, lines: cacheTree(pages, nodes[0] ?? 0) },
    ])
    await Promise.all([onPlain, onPages].map(fetched))
    return await race(
      ['nginx, plain tree', 'nginx, cache tree', ...measured.map((way) => `node, ${way}`)],
      ports,
      options,
    )
  } finally {
    await nginx?.stop()
    for (const server of servers) server.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
}

async function race(names: readonly string[], ports: readonly number[], { rounds, roundSeconds }: ServingOptions) {
  const speeds = names.map((): number[] => [])
  for (const port of ports) for (let times = 0; times < 300; times++) await fetched(port)
  for (let round = 0; round < rounds; round++) {
    // Neither tree is always the first, nor the last.
    const order = round % 2 === 0 ? ports.keys() : [...ports.keys()].reverse()
    for (const index of order) speeds[index]?.push(await requestsPerSecond(ports[index] ?? 0, roundSeconds))
  }
  return compare(names, speeds)
}

async function serve(args: readonly unknown[]): Promise<ChildProcess> {
  const server = fork(program, args.map(String), { execArgv: ['--import', 'tsx'] })
  await once(server, 'message')
  return server
}

async function fetched(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/page.html`)
  const text = await response.text()
  if (response.status !== 200 || text !== textOf('ASCII', bytes)) {
    throw new Error(`Port ${port} answered ${response.status} and ${text.length} characters`)
  }
}

async function requestsPerSecond(port: number, seconds: number): Promise<number> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, `http://127.0.0.1:${port}/page.html`]
  const { stdout } = await promisify(execFile)('wrk', args)
  const found = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]
  if (found === undefined || /Non-2xx/.test(stdout)) throw new Error(`wrk said: ${stdout}`)
  return Number(found)
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}
