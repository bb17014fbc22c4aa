/** A server under load: requests a second over the loopback, counted by wrk, and the processor time of each. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { promisify } from 'node:util'
import { host } from './nginx.js'
import { ranFor } from './ran-for.js'
import type { Speed } from './rounds.js'

const connections = 16

export interface Server {
  readonly name: string
  readonly port: number
  /** The processes that answer. */
  readonly pids: readonly number[]
}

/** The processor's time is the server's. `seconds` is a whole number: wrk takes no others. `runner` is a command that runs wrk. */
export async function ask({ port, pids }: Server, seconds: number, runner: readonly string[] = []): Promise<Speed> {
  const url = `http://127.0.0.1:${port}/page.html`
  const [command = '', ...args] = [
    ...runner,
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '-H',
    `Host: ${host}`,
    url,
  ]
  const ranNs = () => pids.reduce((sum, pid) => sum + ranFor(pid), 0)
  const before = ranNs()
  const { stdout } = await promisify(execFile)(command, args)
  const spentNs = ranNs() - before
  const [, requests] = /(\d+) requests in/.exec(stdout) ?? []
  const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? []
  if (perSecond === undefined || /Non-2xx/.test(stdout)) throw new Error(`wrk said: ${stdout}`)
  return { perSecond: Number(perSecond), cpuUs: spentNs / 1000 / Number(requests) }
}

/** @throws when the server answers with anything else. */
export async function expectPage(port: number, text: string): Promise<void> {
  const outgoing = request({ host: '127.0.0.1', port, path: '/page.html', headers: { host } }).end()
  const [response] = await once(outgoing, 'response')
  let answered = ''
  for await (const chunk of response) answered += chunk
  if (response.statusCode !== 200 || answered !== text) {
    throw new Error(`Port ${port} answered ${response.statusCode} and ${answered.length} characters`)
  }
}
