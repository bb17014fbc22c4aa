/** Many nodes, each with its own cursor; many processes of a node, one of which reads. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { describe, expect, test } from 'vitest'
import { roleSql } from '../../../../../src/invalidators/postgres/feed/schema/role-sql.js'
import { next, until } from '../../harness.js'
import { MapState, RecordingTarget } from '../../recording-target.js'
import { FeedHarness, insert, key, type pg, schema } from './feed-harness.js'

const harness = FeedHarness.use()

const nodes = async (site: pg.Client) =>
  (await site.query('SELECT name, state, cursor, host, pid, seen_at FROM pagekeep.node ORDER BY name')).rows

describe('two nodes', () => {
  test('both evict every change, and each tells how far it is', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const targets = [new RecordingTarget(), new RecordingTarget()]
    for (const [index, target] of targets.entries()) {
      await harness.invalidator({ connection, target, node: `web-${index}` }).start()
    }
    await site.query(insert('a'))
    for (const target of targets) await until('it is evicted', () => target.evicted.has(key('a')))
    await until('both have told', async () => (await nodes(site)).length === 2)
    const told = await nodes(site)
    expect(told.map(({ name }) => name)).toEqual(['web-0', 'web-1'])
    expect(told[0]).toMatchObject({ state: 'listening', pid: process.pid })
  })

  test('of one name and two stores: the second is refused, loudly', async () => {
    const connection = await harness.database()
    await harness.invalidator({ connection, target: new RecordingTarget() }).start()
    const second = harness.invalidator({ connection, target: new RecordingTarget() })
    await expect(second.start()).rejects.toMatchObject({ code: 'node-taken', nodes: ['here'] })
    expect(second.status().state).toBe('stopped')
  })

  test('of one name in two databases do not meet', async () => {
    await harness.invalidator({ connection: await harness.database() }).start()
    await harness.invalidator({ connection: await harness.database() }).start()
  })
})

describe('a second process of a node', () => {
  test('stands by, takes over from the cursor beside the pages, and loses nothing', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const state = new MapState()
    const [first, second] = [new RecordingTarget(state), new RecordingTarget(state)]
    const active = harness.invalidator({ connection, target: first })
    await active.start()
    const standby = harness.invalidator({ connection, target: second })
    const standing = next(standby as never, 'standingBy')
    await standby.start()
    await standing
    expect(standby.status().state).toBe('standing-by')
    await site.query(insert('a'))
    await until('the first has done it', () => first.evicted.has(key('a')))
    expect(second.calls).toEqual([])
    await active.stop()
    await site.query(insert('b'))
    await until('the second has done it', () => second.evicted.has(key('b')))
    expect(second.evicted).not.toContain('**')
    await until('it has caught up', () => standby.status().state === 'listening')
  })

  test('repeats what the first had read and not saved', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const state = new MapState()
    const [first, second] = [new RecordingTarget(state), new RecordingTarget(state)]
    const active = harness.invalidator({ connection, target: first })
    await active.start()
    const standby = harness.invalidator({ connection, target: second })
    await standby.start()
    let release = () => {}
    first.onEvict = () => new Promise((resolve) => (release = resolve))
    await site.query(insert('a'))
    await until('the first is at it', () => first.evicted.has(key('a')))
    // Its connection dies in the middle: the lock is free, the eviction is not known to be done.
    await site.query(`SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l WHERE locktype = 'advisory' AND granted
                         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
    await until('the second has done it', () => second.evicted.has(key('a')))
    release()
    expect(second.evicted).not.toContain('**')
  })

  test('ends the connection of one that shows no progress', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const state = new MapState()
    const stuck = new RecordingTarget(state)
    await harness.invalidator({ connection, target: stuck }).start()
    let release = () => {}
    stuck.onEvict = () => new Promise((resolve) => (release = resolve))
    await site.query(insert('a'))
    await until('it is stuck', () => stuck.evicted.has(key('a')))
    const target = new RecordingTarget(state)
    await harness.invalidator({ connection, target, takeoverAfterMs: 50 }).start()
    await until('the other has done it', () => target.evicted.has(key('a')))
    release()
  })

  test('takes over from one that is killed while it evicts', async () => {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const directory = await mkdtemp(path.join(tmpdir(), 'pagekeep-feed-'))
    harness.onEnd(() => rm(directory, { recursive: true, force: true }))
    const cache = createCache({ store: new DiskStore({ directory }) })
    harness.onEnd(() => cache.close())
    const child = run(connection, directory)
    await child.wrote('listening')
    await cache.getOrRender(key('a'), () => 'old')
    const invalidator = harness.invalidator({ connection, target: cache, node: 'shared' })
    await invalidator.start()
    expect(invalidator.status().state).toBe('standing-by')
    await site.query(insert('a'))
    await child.wrote(`evicting ${key('a')}`)
    expect(await cache.get(key('a'))).toBe('old')
    child.process.kill('SIGKILL')
    await invalidator.settled(site, { timeoutMs: 60_000 })
    expect(await cache.get(key('a'))).toBeUndefined()
  })
})

test('a node that is stopped in order says so', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const invalidator = harness.invalidator({ connection })
  await invalidator.start()
  await invalidator.stop()
  expect(await nodes(site)).toMatchObject([{ name: 'here', state: 'stopped' }])
})

/** A reader as a process of its own, on the pages in `directory`; its evictions hang. */
function run(connection: string, directory: string) {
  const script = fileURLToPath(new URL('./reader-child.ts', import.meta.url))
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', script, connection, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout?.on('data', (bytes) => {
    text += String(bytes)
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  harness.onEnd(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { process: child, wrote: (what: string) => until(`it writes "${what}"`, () => text.includes(what)) }
}

test('rows past their time are thrown away by the process that reads, which has seen them', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const target = new RecordingTarget()
  const before = harness.invalidator({ connection, target })
  await before.start()
  await site.query(insert('a'))
  await before.settled(site)
  await before.stop()
  await site.query("UPDATE pagekeep.feed SET at = at - interval '2 days'")
  const invalidator = harness.invalidator({ connection, target })
  await invalidator.start()
  await until('it has tidied', () => invalidator.status().tidied?.emptied === 1)
  expect((await site.query('SELECT FROM pagekeep.feed')).rows).toEqual([])
  await site.query(insert('b'))
  await invalidator.settled(site)
  expect(target.calls.flat()).toEqual(['**', key('a'), key('b')])
})

test('a role with no more than roleSql() grants can do all of it', async () => {
  const connection = await harness.database()
  const site = await harness.client(connection)
  const role = `listener_${Date.now()}`
  await site.query(`CREATE ROLE ${role} LOGIN PASSWORD 'listener'; ${roleSql(schema, { listener: role })}`)
  const url = new URL(connection)
  url.username = role
  url.password = 'listener'
  const target = new RecordingTarget()
  const invalidator = harness.invalidator({ connection: url.href, target, busyRows: 1, leaseMs: 300, node: 'modest' })
  const faults: unknown[] = []
  invalidator.on('error', (error) => void faults.push(error))
  await invalidator.start()
  await site.query(insert('a'))
  await site.query(insert('b'))
  await invalidator.settledEverywhere(site)
  await until('it has tidied', () => invalidator.status().tidied !== undefined)
  await until('it sleeps', () => invalidator.status().wakeUp === 'notify')
  expect(target.evicted).toContain(key('b'))
  expect(faults).toEqual([])
})
