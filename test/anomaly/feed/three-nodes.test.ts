/**
 * Three nodes on one feed while everything happens to them: one is killed and stays away for longer than rows
 * are retained, one is stopped and goes on, the server crashes. In the end no node keeps a page that is not
 * what the database says. `PAGEKEEP_FEED_SECONDS=60` makes it as long as that.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type PostgresServer, query, startPostgres } from '../../support/postgres.js'
import { FeedScene } from './feed-scene.js'
import { Writers } from './writers.js'

const seconds = Number(process.env.PAGEKEEP_FEED_SECONDS ?? 10)
const retentionMs = 1000 * Math.max(1, seconds / 10)
const elapsed = (share: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000 * share))

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

describe('three nodes', () => {
  it('keep no page older than its data, whatever happens to them', { timeout: 600_000 + seconds * 3000 }, async () => {
    const { connection } = scene
    const steady = scene.node('steady', { retentionMs })
    const killed = scene.node('killed', { retentionMs })
    const stopped = scene.node('stopped', { retentionMs })
    const nodes = [steady, killed, stopped]
    await Promise.all(nodes.map((node) => node.start()))
    const writers = new Writers(connection, 6)
    await elapsed(0.1)
    await killed.kill()
    await elapsed(0.1)
    stopped.pause()
    await elapsed(0.2)
    const rowsBefore = await query(connection, 'SELECT low_water::text AS mark FROM pagekeep.feed_state')
    await elapsed(0.1)
    await server.crash()
    await elapsed(0.05)
    await server.up()
    await elapsed(0.15)
    stopped.resume()
    await elapsed(0.1)
    await killed.start()
    await elapsed(0.2)
    await writers.stop()
    await Promise.all(nodes.map((node) => node.settle()))
    const audits = await Promise.all(nodes.map((node) => node.audit(connection)))
    expect(audits.map(({ stale }) => stale)).toEqual([[], [], []])
    for (const { kept } of audits) expect(kept).toBeGreaterThan(0)
    expect(writers.commits).toBeGreaterThan(seconds)
    // The feed had thrown rows away that the killed node never saw, and that was noticed.
    expect(rowsBefore[0]?.mark).not.toBe('0')
    expect(killed.emptied.length).toBeGreaterThan(0)
  })

  it('control: nodes that forget one eviction in three keep stale pages, and the audit finds them', async () => {
    const { connection } = scene
    const node = scene.node('forgetful', { retentionMs, forgetsEvery: 3 })
    await node.start()
    const writers = new Writers(connection, 4)
    await expect.poll(() => writers.commits, { timeout: 120_000 }).toBeGreaterThan(60)
    await writers.stop()
    await node.settle()
    expect((await node.audit(connection)).stale).not.toEqual([])
  }, 600_000)
})
