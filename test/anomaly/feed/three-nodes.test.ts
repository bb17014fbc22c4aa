/**
 * Three nodes on one feed while everything happens to them: one is killed and stays away for longer than rows
 * are retained, one is stopped and goes on, the server crashes. In the end no node keeps a page that is not
 * what the database says. `PAGEKEEP_FEED_SECONDS=60` makes it as long as that.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { fastDirectory } from '../../support/fast-directory.js'
import { type PostgresServer, query, startPostgres } from '../../support/postgres.js'
import { NodeUnderTest } from './node-under-test.js'
import { rules, tables } from './shop.js'
import { Writers } from './writers.js'

const seconds = Number(process.env.PAGEKEEP_FEED_SECONDS ?? 10)
const retentionMs = 1000 * Math.max(1, seconds / 10)
const elapsed = (share: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000 * share))

let server: PostgresServer
let home: string
const nodes: NodeUnderTest[] = []
beforeAll(async () => {
  server = await startPostgres()
})
afterEach(async () => {
  for (const node of nodes.splice(0)) {
    node.resume()
    await node.kill()
  }
  rmSync(home, { recursive: true, force: true })
})
afterAll(() => server.stop())

async function site(names: readonly string[], forgetsEvery?: number): Promise<string> {
  home = mkdtempSync(path.join(fastDirectory(), 'pagekeep-nodes-'))
  const connection = await server.createDatabase()
  await query(connection, tables)
  await new FeedSchema({ rules }).install(connection)
  for (const node of names) {
    const plan = { connection, directory: path.join(home, node), node, retentionMs }
    nodes.push(new NodeUnderTest({ ...plan, ...(forgetsEvery !== undefined && { forgetsEvery }) }))
  }
  await Promise.all(nodes.map((node) => node.start()))
  return connection
}

describe('three nodes', () => {
  it('keep no page older than its data, whatever happens to them', { timeout: 120_000 + seconds * 3000 }, async () => {
    const connection = await site(['steady', 'killed', 'stopped'])
    const [steady, killed, stopped] = nodes as [NodeUnderTest, NodeUnderTest, NodeUnderTest]
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
    expect(steady.plan.node).toBe('steady')
  })

  it('control: nodes that forget one eviction in three keep stale pages, and the audit finds them', async () => {
    const connection = await site(['forgetful'], 3)
    const writers = new Writers(connection, 4)
    await expect.poll(() => writers.commits, { timeout: 60_000 }).toBeGreaterThan(60)
    await writers.stop()
    const [node] = nodes
    await node?.settle()
    expect((await node?.audit(connection))?.stale).not.toEqual([])
  }, 120_000)
})
