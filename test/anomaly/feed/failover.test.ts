/**
 * A primary dies with commits that it had not shipped yet, and its standby is promoted while commits run. What
 * was lost was evicted, rendered and kept as pages: they say what never happened. The node notices the other
 * timeline and empties its store. The site and its node reach "the" server by one address that moves.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server, Socket } from 'node:net'
import path from 'node:path'
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import { afterEach, describe, expect, it } from 'vitest'
import { fastDirectory } from '../../support/fast-directory.js'
import { query, startPostgres } from '../../support/postgres.js'
import { startStandby } from '../../support/standby.js'
import { NodeUnderTest } from './node-under-test.js'
import { itemCount, pages, rules, tables } from './shop.js'
import { Writers } from './writers.js'

/** One address for whichever server is the primary; none while `target` is undefined. */
class MovingAddress {
  target: number | undefined
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async at(target: number): Promise<MovingAddress> {
    const address = new MovingAddress(target)
    await new Promise<void>((resolve) => address.#server.listen(0, '127.0.0.1', resolve))
    return address
  }

  private constructor(target: number) {
    this.target = target
    this.#server = createServer((near) => {
      if (this.target === undefined) return near.destroy()
      const far = new Socket().connect(this.target, '127.0.0.1')
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from)
        from.on('error', () => undefined)
        from.on('close', () => to.destroy())
        from.pipe(to)
      }
    })
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Connections to the old place end. */
  moveTo(target: number | undefined): void {
    this.target = target
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  async close(): Promise<void> {
    this.moveTo(undefined)
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one()
})

/** Plays the failover; answers what the node keeps that the new primary does not say, and why it was emptied. */
async function play({ isTrusting }: { readonly isTrusting: boolean }) {
  const home = mkdtempSync(path.join(fastDirectory(), 'pagekeep-failover-'))
  undo.push(() => rmSync(home, { recursive: true, force: true }))
  const primary = await startPostgres()
  undo.push(() => primary.stop())
  const direct = await primary.createDatabase()
  await query(direct, tables)
  await new FeedSchema({ rules }).install(direct)
  const standby = await startStandby(primary.connectionString())
  undo.push(() => standby.stop())
  const promoted = standby.connectionString(new URL(direct).pathname.slice(1))
  const address = await MovingAddress.at(primary.port)
  undo.push(() => address.close())
  const site = new URL(direct)
  site.port = String(address.port)

  const plan = {
    connection: site.href,
    directory: path.join(home, 'cache'),
    node: 'web',
    retentionMs: 600_000,
    isTrusting,
  }
  const node = new NodeUnderTest(plan)
  undo.push(() => node.kill())
  await node.start()
  await standby.caughtUp()
  // From here on nothing is shipped.
  await query(standby.connectionString(), "ALTER SYSTEM SET primary_conninfo = ''")
  await query(standby.connectionString(), 'SELECT pg_reload_conf()')
  await expect
    .poll(() => query(standby.connectionString(), 'SELECT FROM pg_stat_wal_receiver'), { timeout: 30_000 })
    .toEqual([])

  const writers = isTrusting ? undefined : new Writers(site.href, 3)
  // The table's lock first: row by row, the writers and this statement could wait for each other.
  await query(direct, 'LOCK TABLE item IN EXCLUSIVE MODE; UPDATE item SET version = version + 1000')
  const keepsWhatWillBeLost = async () => (await node.audit(promoted)).stale.length
  await expect.poll(keepsWhatWillBeLost, { timeout: 60_000 }).toBeGreaterThan(itemCount / 2)

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
  await expect.poll(says, { timeout: 60_000 }).toMatch(/version 5$/)
}

describe('a standby that is promoted', () => {
  it('leaves no page of a commit that was lost, because the node notices the new timeline', async () => {
    const { stale, emptied, commits } = await play({ isTrusting: false })
    expect(stale).toEqual([])
    expect(emptied).toContain('timeline')
    expect(commits).toBeGreaterThan(0)
  }, 180_000)

  it('control: a node that takes it for the old primary keeps pages of what never happened', async () => {
    const { stale } = await play({ isTrusting: true })
    expect(stale).not.toEqual([])
  }, 180_000)
})
