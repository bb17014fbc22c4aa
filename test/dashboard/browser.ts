/** Debian's Chromium, started by the test itself. Where it is missing the test fails, and says what to install. */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const program = process.env.PAGEKEEP_CHROMIUM ?? '/usr/bin/chromium'

/** Close it in `afterAll`. */
export function startBrowser(): Promise<Browser> {
  if (!existsSync(program)) {
    throw new Error(`There is no ${program}. Install the Debian package "chromium", or name one in PAGEKEEP_CHROMIUM.`)
  }
  const quiet = ['background-networking', 'component-update', 'sync', 'default-apps'].map((name) => `--disable-${name}`)
  return chromium.launch({
    executablePath: program,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', ...quiet],
  })
}
