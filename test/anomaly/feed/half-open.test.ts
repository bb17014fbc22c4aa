/**
 * A link that is dead and does not say so. It is noticed because the server is asked at every heartbeat and must
 * answer in time; what was committed meanwhile is in the feed, and evicted when there is a link again.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type PostgresServer, query, startPostgres } from '../../support/postgres.js'
import { TcpRelay } from '../../support/tcp-relay.js'
import { DroppedLink, whyNoNamespaces } from './dropped-link.js'
import { FeedScene } from './feed-scene.js'
import type { NodeUnderTest } from './node-under-test.js'
import { itemCount } from './shop.js'

const noNamespaces = whyNoNamespaces()

let server: PostgresServer
let scene: FeedScene
beforeAll(async () => {
  server = await startPostgres()
})
beforeEach(async () => {
  scene = await FeedScene.on(server)
})
afterEach(() => scene.end())
afterAll(() => server.stop())

/** A node that reaches the database at this place. */
function nodeThrough(host: string, port: number): NodeUnderTest {
  const url = new URL(scene.connection)
  url.hostname = host
  url.port = String(port)
  return scene.node('far', { connection: url.href })
}

async function everyPageIsKept(node: NodeUnderTest): Promise<void> {
  await expect
    .poll(async () => (await node.audit(scene.connection)).kept, { timeout: 120_000 })
    .toBeGreaterThan(itemCount / 2)
}

describe('a half-open link', () => {
  it('through a proxy that went silent and still answers keepalives is noticed, and nothing is lost', async () => {
    const relay = await TcpRelay.start(server.port)
    scene.onEnd(() => relay.stop())
    const node = nodeThrough('127.0.0.1', relay.port)
    await node.start()
    await everyPageIsKept(node)
    relay.isSilent = true
    await query(scene.connection, 'UPDATE item SET version = version + 1')
    expect((await node.audit(scene.connection)).stale).not.toEqual([])
    await node.hears('disconnected')
    relay.isSilent = false
    await node.settle()
    expect((await node.audit(scene.connection)).stale).toEqual([])
    expect(node.emptied).toEqual(['no-cursor'])
  }, 600_000)

  it.skipIf(noNamespaces !== undefined)(
    `with its packets dropped in a network namespace is noticed, and nothing is lost ${noNamespaces ?? ''}`.trim(),
    async () => {
      const link = await DroppedLink.make(server.port)
      scene.onEnd(() => link.remove())
      const node = nodeThrough(link.address, link.port)
      await node.start(link.command)
      await everyPageIsKept(node)
      link.drop()
      await query(scene.connection, 'UPDATE item SET version = version + 1')
      expect((await node.audit(scene.connection)).stale).not.toEqual([])
      await node.hears('disconnected')
      link.mend()
      await node.settle()
      expect((await node.audit(scene.connection)).stale).toEqual([])
    },
    600_000,
  )
})
