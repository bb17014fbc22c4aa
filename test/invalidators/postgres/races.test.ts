/**
 * The races of a queue that de-duplicates, played out step by step: the eviction blocks while a writer and
 * a visitor do what they do. A page that is old for good fails the test; each protection has a control
 * that shows the page staying old without it.
 *
 * The visitor is the fake site below: it keeps the version that it read, and evictions remove it.
 */

import { createCache, type EvictionTarget } from 'pagekeep'
import { MemoryStore } from 'pagekeep/stores/memory'
import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import type { ListenerLock } from '../../../src/invalidators/postgres/listener-lock.js'
import type { Parts } from '../../../src/invalidators/postgres/work.js'
import { count, gate, Harness, next, until } from './harness.js'
import { portPage } from './queue-database.js'
import { MapState, RecordingTarget } from './recording-target.js'
import { commitFirst, consumeBatch, lockThenDelete } from './unsound-parts.js'

const harness = Harness.use()
const page = portPage.key({ category: 'devel', name: 'py-x' })

/** One port, whose page is kept as the version that was committed when it was rendered. */
class Site {
  readonly target = new RecordingTarget()
  readonly connection: string
  readonly visitor: pg.Client
  readonly writer: pg.Client
  kept: number | undefined
  /** Called in the first eviction of the page, after it was removed. */
  onFirstEviction: () => Promise<void> = async () => {}

  static async open(): Promise<Site> {
    const connection = await harness.database()
    const site = new Site(connection, await harness.client(connection), await harness.client(connection))
    await site.writer.query("INSERT INTO ports (category, name, version) VALUES ('devel', 'py-x', 1)")
    return site
  }

  private constructor(connection: string, visitor: pg.Client, writer: pg.Client) {
    this.connection = connection
    this.visitor = visitor
    this.writer = writer
    this.target.onEvict = async (selectors) => {
      if (!selectors.includes(page) && !selectors.includes('**')) return
      const isFirst = [...this.target.calls.flat()].filter((selector) => selector === page).length === 1
      this.kept = undefined
      if (isFirst) await this.onFirstEviction()
    }
  }

  async visit(): Promise<void> {
    const { rows } = await this.visitor.query<{ version: number }>('SELECT version FROM ports')
    this.kept = rows[0]?.version
  }

  listen(parts: Partial<Parts> = {}) {
    return harness.invalidator({ connection: this.connection, target: this.target }, parts)
  }

  async committed(): Promise<number | undefined> {
    const { rows } = await this.visitor.query<{ version: number }>('SELECT version FROM ports')
    return rows[0]?.version
  }

  /** Whether, with everything done that will be done, the page is old. */
  async staysOld(invalidator: ReturnType<Site['listen']>): Promise<boolean> {
    await until('nothing is left to do', async () => {
      const { secondLook } = invalidator.status()
      return secondLook.pending === 0 && (await count(this.visitor, 'cache_clearing_ports')) === 0
    })
    return this.kept !== undefined && this.kept !== (await this.committed())
  }
}

const update = (version: number) => `UPDATE ports SET version = ${version}`

describe('a writer whose ON CONFLICT meets a row being consumed', () => {
  /** The writer comes while the batch is at work; a visitor renders the old page before it commits. */
  async function race(parts: Partial<Parts>): Promise<boolean> {
    const site = await Site.open()
    await site.writer.query(update(2))
    let committed: Promise<unknown> = Promise.resolve()
    site.onFirstEviction = async () => {
      await site.writer.query('BEGIN')
      let hasCommitted = false
      committed = site.writer.query(update(3)).then(async () => {
        await site.writer.query('COMMIT')
        hasCommitted = true
      })
      const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE%'"
      await until('the writer waits for the batch, or has committed', async () => {
        return hasCommitted || (await site.visitor.query(waiting)).rows.length === 1
      })
      // What a visitor sees who came just before the writer's commit.
      site.kept = 2
    }
    const invalidator = site.listen(parts)
    await invalidator.start()
    await committed
    return site.staysOld(invalidator)
  }

  test('waits for the batch and adds its own row', async () => {
    expect(await race({ looksTwice: false })).toBe(false)
  })

  test('control: with rows that are only locked while it is evicted, its change is lost', async () => {
    expect(await race({ looksTwice: false, consume: lockThenDelete })).toBe(true)
  })
})

describe('a writer that was open before the row was taken', () => {
  /** It has found the row, added nothing, and commits after the batch. */
  async function race(parts: Partial<Parts>, begin: string[], commit: string[]): Promise<boolean> {
    const site = await Site.open()
    await site.writer.query(update(2))
    for (const sql of begin) await site.writer.query(sql)
    const invalidator = site.listen(parts)
    await invalidator.start()
    expect(site.target.evicted).toContain(page)
    await site.visit()
    expect(site.kept).toBe(2)
    for (const sql of commit) await site.writer.query(sql)
    return site.staysOld(invalidator)
  }
  const writers: [string, string[], string[]][] = [
    ['has written', ['BEGIN', update(3)], ['COMMIT']],
    [
      'has only met the row so far, and has no number yet',
      [
        'BEGIN',
        "INSERT INTO cache_clearing_ports (id, category, port) VALUES (99, 'devel', 'py-x') ON CONFLICT DO NOTHING",
      ],
      ['ALTER TABLE ports DISABLE TRIGGER ALL', update(3), 'COMMIT'],
    ],
    [
      'looks by an old snapshot (REPEATABLE READ, WHERE NOT EXISTS)',
      ['BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT FROM ports'],
      [
        'ALTER TABLE ports DISABLE TRIGGER ALL',
        update(3),
        `INSERT INTO cache_clearing_ports (category, port) SELECT 'devel', 'py-x'
          WHERE NOT EXISTS (SELECT FROM cache_clearing_ports WHERE category = 'devel' AND port = 'py-x')`,
        'COMMIT',
      ],
    ],
    ['is prepared, and committed later', ['BEGIN', update(3)], ["PREPARE TRANSACTION 'two'", "COMMIT PREPARED 'two'"]],
  ]

  test.each(writers)('that %s: its change is evicted by the second look', async (_, begin, commit) => {
    expect(await race({}, begin, commit)).toBe(false)
  })

  test.each(writers)('control: that %s: without the second look its change is lost', async (_, begin, commit) => {
    expect(await race({ looksTwice: false }, begin, commit)).toBe(true)
  })
})

describe('a page stored after its eviction', () => {
  type Cache = EvictionTarget & { getOrRender(key: string, render: () => Promise<string>): Promise<unknown> }

  /** A render begins, the page is evicted (twice), the render ends. Answers what the next visitor gets. */
  async function race(cache: Cache): Promise<unknown> {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const invalidator = harness.invalidator({ connection, target: cache })
    await invalidator.start()
    const began = gate()
    const mayEnd = gate()
    const old = cache.getOrRender(page, async () => {
      began.open()
      await mayEnd.opened
      return 'old'
    })
    await began.opened
    const evicted = next(invalidator, 'evicted', ({ selectors }) => selectors.includes(page))
    await site.query("INSERT INTO cache_clearing_ports (category, port) VALUES ('devel', 'py-x'); NOTIFY port_updated")
    await evicted
    await until('the second look is done', async () => {
      return invalidator.status().secondLook.pending === 0 && (await count(site, 'cache_clearing_ports')) === 0
    })
    mayEnd.open()
    await old
    return cache.getOrRender(page, async () => 'new')
  }

  test('is not kept: its render began before', async () => {
    expect(await race(createCache({ store: new MemoryStore() }))).toBe('new')
  })

  test('control: a cache that only removes what it has keeps the old page', async () => {
    const pages = new Map<string, string>()
    const target = new RecordingTarget()
    target.onEvict = (selectors) => {
      for (const selector of selectors) pages.delete(selector)
    }
    const naive: Cache = {
      evict: (selectors) => target.evict(selectors),
      state: target.state,
      async getOrRender(key, render) {
        const body = pages.get(key) ?? (await render())
        pages.set(key, body)
        return body
      },
    }
    expect(await race(naive)).toBe('old')
  })
})

describe('a crash between the eviction and the commit', () => {
  /** The listener's connection dies when the first page has been removed; another process takes over. */
  async function crash(parts: Partial<Parts>): Promise<number> {
    const site = await Site.open()
    await site.writer.query(update(2))
    site.target.onEvict = async (selectors) => {
      if (!selectors.includes(page)) return
      await site.writer.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pagekeep:%'",
      )
      throw new Error('the process is gone')
    }
    const crashed = harness.invalidator({ connection: site.connection, target: site.target }, parts)
    const lost = next(crashed, 'disconnected')
    await crashed.start()
    await lost
    await crashed.stop()
    return count(site.writer, 'cache_clearing_ports')
  }

  test('leaves the rows, so that it is done again', async () => {
    expect(await crash({ consume: consumeBatch })).toBe(1)
  })

  test('control: with the commit first, nothing is left to say what was to be evicted', async () => {
    expect(await crash({ consume: commitFirst })).toBe(0)
  })
})

describe('two listeners on one queue', () => {
  const noLock: Parts['lock'] = (): ListenerLock => {
    let n = 0
    return { newName: () => `pagekeep:test${n++}`, tryTake: async () => ({ kind: 'held' }) }
  }

  /** Two nodes, each with pages of its own. Answers how many of them saw the change. */
  async function race(parts: Partial<Parts>): Promise<number> {
    const connection = await harness.database()
    const site = await harness.client(connection)
    const targets = [new RecordingTarget(new MapState()), new RecordingTarget(new MapState())]
    const invalidators = targets.map((target) => harness.invalidator({ connection, target }, parts))
    for (const invalidator of invalidators) await invalidator.start()
    await site.query("INSERT INTO cache_clearing_ports (category, port) VALUES ('devel', 'py-x'); NOTIFY port_updated")
    await until('somebody clears it', () => targets.some(({ evicted }) => evicted.has(page)))
    await until('both have looked', async () => (await count(site, 'cache_clearing_ports')) === 0)
    return targets.filter(({ evicted }) => evicted.has(page)).length
  }

  test('the second node is refused, by name', async () => {
    await expect(race({})).rejects.toMatchObject({ code: 'queue-taken' })
  })

  test('control: without the lock one of them misses the change and keeps the old page', async () => {
    expect(await race({ lock: noLock })).toBe(1)
  })
})
