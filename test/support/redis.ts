/**
 * A Redis server of the test's own: on a free loopback port, without persistence, in a temporary directory.
 *
 * Where redis-server is missing, tests that need it are skipped, visibly; with PAGEKEEP_REQUIRE_SERVERS=1,
 * as in CI, they fail instead (`mayStartRedis`).
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.js'

export interface RedisServer {
  readonly url: string
  stop(): Promise<void>
}

/** Whether tests on Redis are to be run; says on standard error what is missing when they are not. */
export function mayStartRedis(): boolean {
  const isMissing = spawnSync('redis-server', ['--version']).error !== undefined
  if (!isMissing || process.env.PAGEKEEP_REQUIRE_SERVERS === '1') return true
  console.warn(`Skipping the tests on Redis: ${missing}`)
  return false
}

/** Resolves when the server accepts connections. Further arguments go to redis-server. */
export async function startRedis(...options: string[]): Promise<RedisServer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'pagekeep-redis-'))
  const port = await freePort()
  const always = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory]
  const server = spawn('redis-server', [...always, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => server.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`Could not start Redis: ${missing}`, { cause })))
    server.once('exit', (code) => reject(new Error(`redis-server ended with code ${code} before it was ready`)))
    createInterface({ input: server.stdout }).on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve()
    })
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      server.kill('SIGTERM')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const missing = 'there is no redis-server. Install the Debian package "redis-server" to run them.'
