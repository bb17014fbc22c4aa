import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signOfLife } from '../../src/core/sight.js'
import { SelectorSet } from '../../src/invalidators/postgres/selector-set.js'
import { day, schema } from '../invalidators/postgres/queue-database.js'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import type { NginxServer } from './nginx-server.js'
import { mayStartNginx } from './nginx-server.js'
import { Site } from './site.js'

const maxLagMs = 3000
const key = day.key({ date: '2020-01-08', branch: 'head' })
const url = `/${key}`
const patience = { timeout: 120_000, interval: 20 }

let postgres: PostgresServer
let database: string
let site: Site
let listener: ChildProcess
/** By the recipe; and with a link that a process would have to remove. */
let nginx: NginxServer
let careless: NginxServer

beforeAll(async () => {
  postgres = await startPostgres()
  database = await postgres.createDatabase()
  await query(database, schema)
  site = new Site()
  await site.cache.set(key, 'first')
  const links = path.join(site.parent, 'links')
  const program = path.join(import.meta.dirname, 'listener-process.ts')
  const given = [database, site.directory, links, String(maxLagMs)]
  listener = fork(program, given, { execArgv: ['--import', 'tsx'] })
  await once(listener, 'message')
  nginx = await site.nginx({ root: `${links}/$pagekeep_second` })
  symlinkSync(site.directory, path.join(site.parent, 'current'))
  careless = await site.nginx({ root: path.join(site.parent, 'current') })
})
afterAll(async () => {
  if (listener !== undefined) {
    const ended = once(listener, 'exit')
    listener.kill('SIGKILL')
    await ended
  }
  await site?.close()
  await postgres?.stop()
})

const isFile = async (server = nginx) => (await site.get(server, url)).isFile
/** Keeps `body` until nginx sends it from the file: a second look may evict it once more. */
const sends = (body: string) =>
  expect
    .poll(async () => {
      const got = await site.get(nginx, url)
      if (got.isFile && got.body === body) return true
      await site.cache.set(key, body)
      return false
    }, patience)
    .toBe(true)
/** Whether everything that changed was evicted for the last time. */
const owesNothing = () => {
  const owed = site.store.state.read('postgres-second-look')
  return owed === undefined || owed === new SelectorSet().toJson()
}
const change = () =>
  query(database, "INSERT INTO cache_clearing_dates (date_to_clear) VALUES ('2020-01-08'); NOTIFY date_updated")

describe.skipIf(!mayStartNginx)('nginx behind the switch', () => {
  it('sends files while the invalidator is heard, and what it evicts no more', async () => {
    await sends('first')
    await change()
    await expect.poll(isFile, patience).toBe(false)
    await sends('second')
  })

  it('sends none that may be older than maxLagMs when everything that could throw it stands still', async () => {
    await expect.poll(owesNothing, patience).toBe(true)
    await sends('second')
    listener.kill('SIGSTOP')
    await change()
    const sent: number[] = []
    const ask = async () => {
      const atMs = Date.now()
      const file = await isFile()
      if (file) sent.push(atMs)
      return file
    }
    await expect.poll(ask, patience).toBe(false)
    const blindAtMs = Number(site.store.state.read(signOfLife)) + maxLagMs
    while (Date.now() < blindAtMs + 1000) await ask()
    expect(Math.max(0, ...sent)).toBeLessThanOrEqual(blindAtMs)
    // The page lies there, and is old; with a link that waits to be removed it is sent.
    expect(await site.get(careless, url)).toMatchObject({ isFile: true, body: 'second' })
    expect(await site.get(nginx, url)).toMatchObject({ isFile: false, body: 'asked' })
  })

  it('sends files again when the invalidator has caught up, none of those that changed meanwhile', async () => {
    listener.kill('SIGCONT')
    await expect.poll(() => isFile(careless), patience).toBe(false)
    await sends('third')
  })
})
