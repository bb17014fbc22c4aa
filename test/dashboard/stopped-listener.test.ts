/**
 * A listener in a process of its own is stopped (SIGSTOP): it holds its connection and its lock, and evicts nothing.
 * The metric, the state and the page in the browser of the process that serves must all say so, and take it back.
 */
import { observe } from 'pagekeep/metrics'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { HeardSite } from '../anomaly/heard-site.js'
import { readExposition } from '../metrics/read-exposition.js'
import { type PostgresServer, startPostgres } from '../support/postgres.js'
import { startBrowser } from './browser.js'
import { type ServedDashboard, serveDashboard } from './served-dashboard.js'

const silentAfterMs = 2000
let browser: Browser
let server: PostgresServer
let site: HeardSite
let served: ServedDashboard
beforeAll(async () => {
  browser = await startBrowser()
  server = await startPostgres()
  site = await HeardSite.start(server, server.port)
})
afterAll(async () => {
  await served?.close()
  await site?.close()
  await server?.stop()
  await browser?.close()
})

it('a listener that is stopped is told by the metric, the state and the page; and so is its return', async () => {
  const cache = site.bounded
  const observer = observe({ cache })
  served = await serveDashboard({ cache, observer, silentAfterMs, refreshMs: 250 })
  const state = async () => {
    const answer = await served.dashboard.fetch(
      new Request(`${served.origin}/pagekeep/state`, { headers: { authorization: 'Bearer a token for tests only' } }),
    )
    return (await answer?.json()) as { isSilent: boolean; isBlind: boolean; lagSeconds: number | null }
  }
  const metric = async (name: string) => readExposition(await observer.prometheus()).value(name)
  await site.untilKept(0, 1)
  await site.until('the state says that all is well', async () => !(await state()).isSilent)
  const page = await browser.newPage()
  await page.goto(served.entrance)
  await page.getByText('well, live').waitFor()

  site.listener.kill('SIGSTOP')
  await site.until('the state says that it is silent', async () => {
    await site.visit(0)
    return (await state()).isSilent
  })
  expect(await metric('pagekeep_lag_seconds')).toBeGreaterThan(silentAfterMs / 1000)
  expect(await metric('pagekeep_blind')).toBe(1)
  expect((await state()).isBlind).toBe(true)
  await page.getByRole('alert').getByText('The invalidator is silent').waitFor()
  await page.getByRole('alert').getByText('The cache is blind').waitFor()
  expect(await page.title()).toBe('⚠ pagekeep')

  site.listener.kill('SIGCONT')
  // The cache looks whether it is heard when somebody asks for a page.
  await site.untilKept(0, 1)
  await page.getByText('well, live').waitFor()
  expect((await state()).isSilent).toBe(false)
  expect(await metric('pagekeep_blind')).toBe(0)
  expect(await metric('pagekeep_blind_seconds_total')).toBeGreaterThan(0)
  observer.close()
})
