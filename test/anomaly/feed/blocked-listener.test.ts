/**
 * A listener that does not read its socket: its backend stands in the midst of telling it something, which holds
 * back vacuum in the whole database and fills the queue of notifications, and when that is full, writers fail.
 * The session tells the server to end such a connection (`tcp_user_timeout`); a notification carries nothing, so
 * that it takes long to come to that; and the process notices, reconnects and has lost nothing.
 */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect, type PostgresServer, query, startPostgres } from '../../support/postgres.js'
import { FeedScene } from './feed-scene.js'

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

interface Backend {
  readonly waits: string | null
  readonly pins: boolean
}

/** What stands in the server for connections of that name that wait for their client to read. */
async function blockedBackends(connection: string, like: string): Promise<Backend[]> {
  return (await query(
    connection,
    `SELECT wait_event AS waits, backend_xmin IS NOT NULL AS pins FROM pg_stat_activity
      WHERE application_name LIKE '${like}' AND wait_event = 'ClientWrite'`,
  )) as Backend[]
}

/** Far more than our triggers ever send: a socket's buffers are full after some megabytes. */
async function flood(connection: string, channel: string): Promise<void> {
  const client = await connect(connection)
  try {
    for (let round = 0; round < 4; round++) {
      await client.query(`SELECT pg_notify($1, $2 || n) FROM generate_series(1, 1500) AS n`, [
        channel,
        'x'.repeat(7900),
      ])
    }
  } finally {
    await client.end()
  }
}

describe('a listener that is stopped', () => {
  it('is left by the server, which can vacuum and empty its queue, and loses nothing when it goes on', async () => {
    const { connection } = scene
    const node = scene.node('stopped')
    await node.start()
    node.pause()
    await flood(connection, 'pagekeep')
    await expect.poll(() => blockedBackends(connection, 'pagekeep:%'), { timeout: 120_000 }).not.toEqual([])
    await query(connection, 'UPDATE item SET version = version + 1')
    // By itself; the stated time is tcp_user_timeout, 15 s.
    await expect.poll(() => blockedBackends(connection, 'pagekeep:%'), { timeout: 120_000, interval: 500 }).toEqual([])
    await expect
      .poll(async () => (await query(connection, 'SELECT pg_notification_queue_usage() AS usage'))[0]?.usage, {
        timeout: 120_000,
      })
      .toBe(0)
    node.resume()
    await node.settle()
    expect((await node.audit(connection)).stale).toEqual([])
  }, 600_000)

  it('control: without tcp_user_timeout it pins the horizon of vacuum for as long as it is stopped', async () => {
    const { connection } = scene
    const listener = new pg.Client({ connectionString: connection, application_name: 'plain listener' })
    listener.on('error', () => undefined)
    scene.onEnd(() => listener.end())
    await listener.connect()
    await listener.query('SET tcp_user_timeout = 0')
    await listener.query('LISTEN plain')
    const { stream } = (listener as unknown as { connection: { stream: { pause(): void; resume(): void } } }).connection
    stream.pause()
    await flood(connection, 'plain')
    await expect
      .poll(() => blockedBackends(connection, 'plain listener'), { timeout: 120_000 })
      .toEqual([{ waits: 'ClientWrite', pins: true }])
    stream.resume()
  }, 600_000)
})
