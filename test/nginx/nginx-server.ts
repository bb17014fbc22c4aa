/**
 * A real nginx on a free loopback port, with the configuration of `examples/nginx/` in which only what is marked
 * "yours" is changed, and temporary files of its own. It needs no privilege.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { ContentCoding } from 'pagekeep/stores/disk'
import { freePort } from '../support/free-port.js'

const example = (name: string) =>
  readFileSync(path.resolve(import.meta.dirname, `../../examples/nginx/${name}.conf`), 'utf8')
const recipe = example('nginx')

// Debian puts it where the PATH of an ordinary user does not lead.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` }

const missing = 'there is no nginx. Install the Debian package "nginx-light" to run them.'

/**
 * Whether tests on nginx are to be run. Where it is missing they are skipped, visibly; with
 * PAGEKEEP_REQUIRE_SERVERS=1, as in CI, they fail instead.
 */
export const mayStartNginx = ((): boolean => {
  const isMissing = spawnSync('nginx', ['-v'], { env }).error !== undefined
  if (!isMissing) return true
  if (process.env.PAGEKEEP_REQUIRE_SERVERS === '1') throw new Error(`Could not run the tests on nginx: ${missing}`)
  console.warn(`Skipping the tests on nginx: ${missing}`)
  return false
})()

export interface NginxOptions {
  /** The document root, as nginx is told it. */
  readonly root: string
  /** The port of the application. */
  readonly application: number
  /** What the pages lie in. Default `identity`. */
  readonly coding?: ContentCoding
  /** Parts of the configuration to replace, each of which must occur: for negative controls. */
  readonly changes?: readonly (readonly [from: string, to: string])[]
}

export interface NginxServer {
  readonly port: number
  /** Its error log so far. */
  errors(): string
  stop(): Promise<void>
}

export const host = 'www.example.org'
/** In place of the root of the recipe: always the cache directory. */
export const recipeRoot = '/run/my-site/$pagekeep_second'

/** Resolves when it answers. */
export async function startNginx(options: NginxOptions): Promise<NginxServer> {
  const home = mkdtempSync(path.join(tmpdir(), 'pagekeep-nginx-'))
  chmodSync(home, 0o755)
  const port = await freePort()
  const config = path.join(home, 'nginx.conf')
  const errorLog = path.join(home, 'error.log')
  mkdirSync(path.join(home, 'temp'))
  writeFileSync(config, configOf(home, port, options))
  const child = spawn('nginx', ['-p', home, '-c', config, '-e', errorLog], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  const errors = () => readFileSync(errorLog, 'utf8')
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(home, { recursive: true, force: true })
  }
  const deadline = performance.now() + 120_000
  while (!(await answers(port))) {
    if (child.exitCode === null && performance.now() < deadline) await setTimeout(20)
    else {
      const said = errors()
      await stop()
      throw new Error(`nginx did not start:\n${said}`)
    }
  }
  return { port, errors, stop }
}

function configOf(home: string, port: number, options: NginxOptions): string {
  const { root, application, coding = 'identity', changes = [] } = options
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const temporary = kinds.map((kind) => `  ${kind}_temp_path ${home}/temp/${kind};\n`).join('')
  const yours: [string, string][] = [
    // In place of its name, so that it can be changed as well.
    ['include coding-identity.conf;', example(`coding-${coding}`)],
    ...changes.map(([from, to]): [string, string] => [from, to]),
    ['listen 8080 default_server;', `listen 127.0.0.1:${port} default_server;`],
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ['server 127.0.0.1:3000;', `server 127.0.0.1:${application};`],
    [`root ${recipeRoot};`, `root ${root};`],
    ['worker_processes auto;', 'worker_processes 2;'],
    ['http {\n', `http {\n  access_log off;\n${temporary}`],
  ]
  let text = recipe
  for (const [from, to] of yours) {
    if (!text.includes(from)) throw new Error(`Expected "${from}" in the recipe`)
    text = text.replace(from, () => to)
  }
  // Started by root, its workers would be of a user who may not enter a directory of the test's.
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  return `${user}daemon off;\npid ${home}/nginx.pid;\nerror_log ${home}/error.log warn;\n${text}`
}

async function answers(port: number): Promise<boolean> {
  try {
    // Another host than its own: it hangs up, so nobody is asked.
    await fetch(`http://127.0.0.1:${port}/`)
    return true
  } catch (thrown) {
    return (thrown as { cause?: { code?: string } }).cause?.code !== 'ECONNREFUSED'
  }
}
