/**
 * The http-tests cache suite: its server and its client, run as its own command line does.
 *
 * From npm (`http-cache-tests`), or from a checkout of its repository, whose tests are newer: name its directory in
 * `CACHE_TESTS` (with its packages installed). The two lay out their files differently.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort } from '../test/support/free-port.js'
import { targetedTests } from './cdn-cache-control.js'
import type { RawResult, Suite } from './results.js'

export interface LoadedSuite {
  readonly origin: string
  readonly suites: readonly Suite[]
  run(base: string): Promise<Record<string, RawResult>>
  close(): Promise<void>
}

type RunTests = (suites: readonly Suite[], ...rest: unknown[]) => Promise<void>

const mostAtATime = 100

export async function loadSuite(only: string | undefined): Promise<LoadedSuite> {
  const { CACHE_TESTS } = process.env
  const require = createRequire(import.meta.url)
  const home = CACHE_TESTS ?? path.dirname(require.resolve('http-cache-tests/package.json'))
  const engine = existsSync(path.join(home, 'test-engine')) ? path.join(home, 'test-engine') : home
  const load = async (file: string) => import(pathToFileURL(path.join(home, file)).href)
  const { default: listed } = await load('tests/index.mjs')
  const others = ['tests/surrogate-control.mjs'].filter((file) => existsSync(path.join(home, file)))
  const loaded: Suite[] = [...listed, ...(await Promise.all(others.map(async (file) => (await load(file)).default)))]
  const hasTargeted = loaded.some(({ id }) => id === targetedTests.id)
  const suites = (hasTargeted ? loaded : [...loaded, targetedTests])
    .filter((suite, index, all) => all.findIndex(({ id }) => id === suite.id) === index)
    .map((suite) => ({ ...suite, tests: suite.tests.filter(({ id }) => only === undefined || id === only) }))
  const port = await freePort()
  const server = await startServer(engine, home, port)
  return {
    origin: `http://127.0.0.1:${port}`,
    suites,
    async run(base) {
      const runner = (await import(pathToFileURL(path.join(engine, 'client/runner.mjs')).href)) as {
        runTests: RunTests
        getResults: () => Record<string, RawResult>
      }
      // Older runners are handed what fetches, newer ones bring it.
      const handedIn = runner.runTests.length > 3 ? [await fetchOf(home)] : []
      await runner.runTests(suites, ...handedIn, false, base, mostAtATime)
      return runner.getResults()
    },
    async close() {
      server.kill()
      await once(server, 'exit')
    },
  }
}

/** What the suite's own command line fetches with, as far as it is installed beside it. */
async function fetchOf(home: string): Promise<unknown> {
  const require = createRequire(path.join(home, 'package.json'))
  for (const name of ['node-fetch-with-proxy', 'node-fetch']) {
    try {
      return (await import(pathToFileURL(require.resolve(name)).href)).default
    } catch {
      // Not this one.
    }
  }
  return fetch
}

async function startServer(engine: string, home: string, port: number): Promise<ChildProcess> {
  const server = spawn(process.execPath, [path.join(engine, 'server/server.mjs')], {
    cwd: home,
    env: {
      ...process.env,
      npm_config_protocol: 'http',
      npm_config_port: String(port),
      npm_config_pidfile: path.join(tmpdir(), `cache-tests-${port}.pid`),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // It says that it listens, and later a line for each request it did not expect.
  for await (const chunk of server.stdout) {
    if (String(chunk).includes('Listening')) break
  }
  server.stdout.resume()
  return server
}
