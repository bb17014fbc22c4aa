/**
 * A primary dies with commits that it had not shipped yet, and its standby is promoted while commits run. What
 * was lost was evicted, rendered and kept as pages: they say what never happened. The node notices the other
 * timeline and empties its store. The site and its node reach "the" server by one address that moves.
 */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { query, startPostgres } from '../../support/postgres.js'
import { startStandby } from '../../support/standby.js'
import { TcpRelay } from '../../support/tcp-relay.js'
import { FeedScene } from './feed-scene.js'
import type { NodeUnderTest } from './node-under-test.js'
import { itemCount, pages } from './shop.js'
import { Writers } from './writers.js'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one()
})

/** Plays the failover; answers what the node keeps that the new primary does not say, and why it was emptied. */
async function play({ isTrusting }: { readonly isTrusting: boolean }) {
  const primary = await startPostgres()
  undo.push(() => primary.stop())
  const scene = await FeedScene.on(primary)
  undo.push(() => scene.end())
  const direct = scene.connection
  const standby = await startStandby(primary.connectionString())
  undo.push(() => standby.stop())
  const promoted = standby.connectionString(new URL(direct).pathname.slice(1))
  // The one address under which the site finds its server, whichever it is.
  const address = await TcpRelay.start(primary.port)
  undo.push(() => address.stop())
  const site = new URL(direct)
  site.port = String(address.port)

  const node = scene.node('web', { connection: site.href, retentionMs: 600_000, isTrusting })
  await node.start()
  await standby.caughtUp()
  // From here on nothing is shipped.
  await query(standby.connectionString(), "ALTER SYSTEM SET primary_conninfo = ''")
  await query(standby.connectionString(), 'SELECT pg_reload_conf()')
  await expect
    .poll(() => query(standby.connectionString(), 'SELECT FROM pg_stat_wal_receiver'), { timeout: 120_000 })
    .toEqual([])

  const writers = isTrusting ? undefined : new Writers(site.href, 3)
  // The table's lock first: row by row, the writers and this statement could wait for each other.
  await query(direct, 'LOCK TABLE item IN EXCLUSIVE MODE; UPDATE item SET version = version + 1000')
  const keepsWhatWillBeLost = async () => (await node.audit(promoted)).stale.length
  await expect.poll(keepsWhatWillBeLost, { timeout: 120_000 }).toBeGreaterThan(itemCount / 2)
  if (writers !== undefined) await expect.poll(() => writers.commits, { timeout: 120_000 }).toBeGreaterThan(0)

  address.moveTo(undefined)
  await primary.crash()
  await standby.promote()
  // The numbers of the lost transactions are given again before anybody reads the feed.
  for (let count = 0; isTrusting && count < 200; count++) await query(promoted, 'SELECT pg_current_xact_id()')
  await query(promoted, "SELECT pg_logical_emit_message(false, 'much', repeat('x', 1000000))")
  address.moveTo(standby.port)
  await new Promise((resolve) => setImmediate(resolve))
  await writers?.stop()
  if (isTrusting) await readsTheFeed(node, promoted)
  else await node.settle()
  return { ...(await node.audit(promoted)), emptied: node.emptied, commits: writers?.commits }
}

/** Resolves when the node has evicted what is committed there now; its own word would be that of another server. */
async function readsTheFeed(node: NodeUnderTest, connection: string): Promise<void> {
  await query(connection, 'UPDATE item SET version = 5 WHERE id = 1')
  const firstItem = path.join(node.plan.directory, pages[0]?.key ?? '')
  const says = () => readFile(firstItem, 'utf8').catch(() => '')
  await expect.poll(says, { timeout: 120_000 }).toMatch(/version 5$/)
}

describe('a standby that is promoted', () => {
  it('leaves no page of a commit that was lost, because the node notices the new timeline', async () => {
    const { stale, emptied, commits } = await play({ isTrusting: false })
    expect(stale).toEqual([])
    expect(emptied).toContain('timeline')
    expect(commits).toBeGreaterThan(0)
  }, 600_000)

  it('control: a node that takes it for the old primary keeps pages of what never happened', async () => {
    const { stale } = await play({ isTrusting: true })
    expect(stale).not.toEqual([])
  }, 600_000)
})
