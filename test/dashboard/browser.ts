/**
 * Debian's Chromium, started by the test itself. Where it is missing its tests are skipped, visibly; with
 * PAGEKEEP_REQUIRE_SERVERS=1, as in CI, they fail instead.
 */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const program = process.env.PAGEKEEP_CHROMIUM ?? '/usr/bin/chromium'

const missing = `there is no ${program}. Install the Debian package "chromium", or name one in PAGEKEEP_CHROMIUM.`

/** Whether tests in a browser are to be run; says on standard error what is missing when they are not. */
export function mayStartBrowser(): boolean {
  if (existsSync(program) || process.env.PAGEKEEP_REQUIRE_SERVERS === '1') return true
  console.warn(`Skipping the tests in a browser: ${missing}`)
  return false
}

/** Close it in `afterAll`. */
export function startBrowser(): Promise<Browser> {
  if (!existsSync(program)) throw new Error(`Could not start a browser: ${missing}`)
  const quiet = ['background-networking', 'component-update', 'sync', 'default-apps'].map((name) => `--disable-${name}`)
  return chromium.launch({
    executablePath: program,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', ...quiet],
  })
}
