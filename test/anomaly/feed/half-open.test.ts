/**
 * A link that is dead and does not say so. It is noticed because the server is asked at every heartbeat and must
 * answer in time; what was committed meanwhile is in the feed, and evicted when there is a link again.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SilentProxy } from '../../invalidators/postgres/silent-proxy.js'
import { fastDirectory } from '../../support/fast-directory.js'
import { type PostgresServer, query, startPostgres } from '../../support/postgres.js'
import { DroppedLink, whyNoNamespaces } from './dropped-link.js'
import { NodeUnderTest } from './node-under-test.js'
import { itemCount, rules, tables } from './shop.js'

const noNamespaces = whyNoNamespaces()

let server: PostgresServer
let home: string
const undo: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  server = await startPostgres()
})
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one()
  rmSync(home, { recursive: true, force: true })
})
afterAll(() => server.stop())

/** A shop, and a node that reaches its database at this place. */
async function shop(host: string, port: number) {
  home = mkdtempSync(path.join(fastDirectory(), 'pagekeep-link-'))
  const direct = await server.createDatabase()
  await query(direct, tables)
  await new FeedSchema({ rules }).install(direct)
  const url = new URL(direct)
  url.hostname = host
  url.port = String(port)
  const plan = { connection: url.href, directory: path.join(home, 'cache'), node: 'far', retentionMs: 60_000 }
  const node = new NodeUnderTest(plan)
  undo.push(() => node.kill())
  return { direct, node }
}

async function everyPageIsKept(node: NodeUnderTest, direct: string): Promise<void> {
  await expect.poll(async () => (await node.audit(direct)).kept, { timeout: 60_000 }).toBeGreaterThan(itemCount / 2)
}

describe('a half-open link', () => {
  it('through a proxy that went silent and still answers keepalives is noticed, and nothing is lost', async () => {
    const proxy = await SilentProxy.start(server.port)
    undo.push(() => proxy.stop())
    const { direct, node } = await shop('127.0.0.1', proxy.port)
    await node.start()
    await everyPageIsKept(node, direct)
    proxy.isSilent = true
    await query(direct, 'UPDATE item SET version = version + 1')
    expect((await node.audit(direct)).stale).not.toEqual([])
    await node.hears('disconnected')
    proxy.isSilent = false
    await node.settle()
    expect((await node.audit(direct)).stale).toEqual([])
    expect(node.emptied).toEqual(['no-cursor'])
  }, 120_000)

  it.skipIf(noNamespaces !== undefined)(
    `with its packets dropped in a network namespace is noticed, and nothing is lost ${noNamespaces ?? ''}`.trim(),
    async () => {
      const link = await DroppedLink.make(server.port)
      undo.push(() => link.remove())
      const { direct, node } = await shop(link.address, link.port)
      await node.start(link.command)
      await everyPageIsKept(node, direct)
      link.drop()
      await query(direct, 'UPDATE item SET version = version + 1')
      expect((await node.audit(direct)).stale).not.toEqual([])
      await node.hears('disconnected')
      link.mend()
      await node.settle()
      expect((await node.audit(direct)).stale).toEqual([])
    },
    120_000,
  )
})
