/**
 * P6 with every process apart: while the listener is dead, stopped or cut off, a cache with `maxLagMs` goes
 * blind, renders through, and sees again by itself; one without serves what nobody evicts. An auditor follows
 * the database by himself, and finds no kept page older than what had been evicted.
 *
 * One site for all tests, for starting it takes longer than each of them; every test has rows of its own, and
 * leaves a listener that works.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, startPostgres } from '../support/postgres.js'
import { TcpRelay } from '../support/tcp-relay.js'
import { HeardSite } from './heard-site.js'

let server: PostgresServer
let relay: TcpRelay
let site: HeardSite
beforeAll(async () => {
  server = await startPostgres()
  relay = await TcpRelay.start(server.port)
  site = await HeardSite.start(server, relay.port)
})
afterAll(async () => {
  await site.close()
  await relay.stop()
  await server.stop()
})

async function expectSound(): Promise<void> {
  const found = await site.audited()
  expect(found, site.findings).toMatchObject({ staleKept: 0, staleReads: 0, tornReads: 0 })
  expect(found.pagesAudited).toBeGreaterThan(0)
}

interface Scene {
  readonly row: number
  /** The listener is heard no more. */
  cut(): unknown
  /** It can be heard again. */
  mend(): unknown
}

const scenes: Readonly<Record<string, Scene>> = {
  'is killed, and started again': {
    row: 0,
    cut: () => site.killListener(),
    mend: () => site.startListener(),
  },
  'is stopped, and continued': {
    row: 1,
    cut: () => site.listener.kill('SIGSTOP'),
    mend: () => site.listener.kill('SIGCONT'),
  },
  'is cut off by a connection that has gone silent': {
    row: 2,
    cut: () => {
      relay.isSilent = true
    },
    mend: () => {
      relay.isSilent = false
    },
  },
  'is cut off by a port that refuses': {
    row: 3,
    cut: () => relay.stop(),
    async mend() {
      relay = await TcpRelay.start(server.port, { port: relay.port })
    },
  },
}

describe('a cache with maxLagMs, when its listener', () => {
  it.each(Object.entries(scenes))(
    '%s: goes blind, serves nothing older than that, and sees again',
    async (_, scene) => {
      const { row } = scene
      await site.untilKept(row, 1)
      await scene.cut()
      const version = await site.change(row)
      await site.until('it is blind', async () => {
        await site.visit(row)
        return site.events.at(-1) === 'blind'
      })
      expect(await site.visit(row)).toBe(version)
      expect(await site.visit(row, site.unbounded), 'the twin without maxLagMs').toBe(1)
      await scene.mend()
      await site.untilKept(row, version)
      // In turns, and on a machine that stands still for a second more than once.
      await site.until('it sees', async () => {
        await site.visit(row)
        return site.events.at(-1) === 'sighted'
      })
      expect(site.events.every((event, at) => event === (at % 2 === 0 ? 'blind' : 'sighted'))).toBe(true)
      expect(await site.visit(row, site.unbounded)).toBe(version)
      await expectSound()
    },
  )
})

describe('no page is kept that is older than what the auditor saw evicted, while rows change and', () => {
  /** Changes two rows and visits them until `isOver`, and a few times. */
  async function busy(rows: readonly [number, number], isOver: () => boolean): Promise<void> {
    for (let turn = 0; turn < 20 || !isOver(); turn++) {
      // The database may be down: then nothing is changed, nothing is rendered, and what is kept is served.
      await site.change(rows[turn % 2] ?? 0).catch(() => undefined)
      await Promise.allSettled([...rows, ...rows].map((row) => site.visit(row, site.unbounded)))
    }
  }

  it('the listener is killed and started again', async () => {
    await site.untilKept(4, 1)
    let isBack = false
    const restarting = (async () => {
      await site.killListener()
      site.startListener()
      const version = await site.change(6)
      await site.until('the listener has evicted again', () => site.isSeenEvicted(6, version))
      isBack = true
    })()
    await busy([4, 5], () => isBack)
    await restarting
    await expectSound()
  })

  it('PostgreSQL is started anew', async () => {
    await site.untilKept(4, await site.change(4))
    let isBack = false
    const restarting = server.restart().then(() => {
      isBack = true
    })
    await busy([4, 5], () => isBack)
    await restarting
    await expectSound()
  })

  it('twin: the auditor finds what a listener left that only says that it evicts', async () => {
    await site.untilKept(7, 1)
    await site.killListener()
    site.startListener({ isFaithless: true })
    const version = await site.change(7)
    const found = await site.audited()
    expect(found.staleKept).toBe(1)
    expect(site.findings).toContain(`"is":${version},"was":1`)
  })
})
