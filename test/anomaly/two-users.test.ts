/**
 * The web server writes pages as one user, the listener removes them as another, with a group in common:
 * `www:freshports`, group-writable. Becoming a user takes root; run by anybody else, these tests are skipped.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DiskStoreOptions } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Order, Outcome, Start } from './user-process.js'

const program = fileURLToPath(new URL('user-process.ts', import.meta.url))
const shared = 60_010
const web = { uid: 60_001, gid: 60_001, groups: [shared] }
const listener = { uid: 60_002, gid: 60_002, groups: [shared] }
const stranger = { uid: 60_003, gid: 60_003, groups: [] }
const modes = { fileMode: 0o664, directoryMode: 0o2775 }

class User {
  readonly child: ChildProcess

  private constructor(start: Start) {
    this.child = fork(program, [JSON.stringify(start)], { execArgv: ['--import', 'tsx'] })
  }

  static async start(who: Omit<Start, 'options'>, options: DiskStoreOptions): Promise<User> {
    const user = new User({ ...who, options })
    await once(user.child, 'message')
    return user
  }

  async do(order: Order): Promise<Outcome> {
    const answered = once(this.child, 'message')
    this.child.send(order)
    return (await answered)[0] as Outcome
  }

  /** As `do`, where nothing may go wrong. */
  async result(order: Order): Promise<unknown> {
    const { result, ...trouble } = await this.do(order)
    expect(trouble).toEqual({ events: [] })
    return result
  }

  async kill(): Promise<void> {
    const exited = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exited
  }
}

describe.skipIf(process.getuid?.() !== 0)(
  'a web server and a listener of two users (needs root to become them)',
  () => {
    let parent = ''
    let directory = ''
    let users: User[] = []
    const become = async (who: Omit<Start, 'options'>, options: Partial<DiskStoreOptions> = modes) => {
      const started = await User.start(who, { directory, ...options })
      users.push(started)
      return started
    }
    const names = (room: string) => readdirSync(join(directory, '.pagekeep', room))

    beforeEach(() => {
      parent = mkdtempSync(join(tmpdir(), 'pagekeep-users-'))
      chmodSync(parent, 0o755)
      directory = join(parent, 'cache')
      mkdirSync(directory)
      chownSync(directory, web.uid, shared)
      chmodSync(directory, 0o2775)
    })
    afterEach(async () => {
      for (const { child } of users) child.kill('SIGKILL')
      users = []
      rmSync(parent, { recursive: true, force: true })
    })

    it('share the pages: what one keeps, the other evicts, by key, pattern, tag, subtree and altogether', async () => {
      const [www, listens] = [await become(web), await become(listener)]
      for (const [one, other] of [
        [www, listens],
        [listens, www],
      ] as const) {
        const furnish = async () => {
          await one.result({ act: 'ask', key: 'ports/devel/py-x/index.html', tags: ['port:1', 'news'] })
          await one.result({ act: 'ask', key: 'ports/devel/feed.xml', tags: ['port:1'], ttlMs: 3_600_000 })
          await one.result({ act: 'ask', key: 'daily/2020/01/08.daily.head' })
        }
        await furnish()
        expect(statSync(join(directory, 'ports/devel/py-x/index.html'))).toMatchObject({ gid: shared, mode: 0o100664 })
        expect(statSync(join(directory, 'ports/devel'))).toMatchObject({ gid: shared, mode: 0o042775 })
        const evict = (selector: Extract<Order, { act: 'evict' }>['selector']) =>
          other.result({ act: 'evict', selector })
        expect(await evict('daily/2020/01/08.daily.head')).toBe(1)
        expect(await evict({ tag: 'port:1' })).toBe(2)
        await furnish()
        expect(await evict('daily/2020/01/08.daily.*')).toBe(1)
        expect(await evict('ports/devel/**')).toBe(2)
        await furnish()
        expect(await evict('**')).toBe(3)
        await one.result({ act: 'write', text: '1' })
        await other.result({ act: 'write', text: '2' })
      }
      for (const each of users) await each.result({ act: 'close' })
      for (const room of ['leases', 'temp', 'trash', 'compacting']) expect(names(room), room).toEqual([])
    })

    it("doom each other's renders", async () => {
      const [www, listens] = [await become(web), await become(listener)]
      await www.result({ act: 'begin', key: 'a.html' })
      await listens.result({ act: 'evict', selector: 'a.html' })
      expect(await www.result({ act: 'finish' })).toBe('by 60001')
      expect(await www.result({ act: 'get', key: 'a.html' })).toBe(null)
    })

    it("clean up each other's leftovers, and take over from each other", async () => {
      for (const [dying, surviving] of [
        [web, listener],
        [listener, web],
      ] as const) {
        const killed = await become(dying)
        await killed.result({ act: 'begin', key: 'left.html' })
        expect(names('leases').length).toBe(2)
        await killed.kill()
        const survivor = await become(surviving)
        expect(await survivor.result({ act: 'ask', key: 'left.html' })).toBe(`by ${surviving.uid}`)
        await survivor.result({ act: 'evict', selector: 'left.html' })
        await survivor.result({ act: 'close' })
        expect(names('leases')).toEqual([])
      }
    })

    for (const [what, wrong] of [
      ['directories that the group may not write to', { fileMode: 0o664 }],
      ['files that the group may not write to', { directoryMode: 0o2775 }],
    ] as const) {
      it(`with ${what}: the eviction rejects and says what to do, and pages are served all the same`, async () => {
        const www = await become(web, wrong)
        await www.result({ act: 'ask', key: 'a/b.html', tags: ['t'] })
        const listens = await become(listener)
        const evicted = await listens.do({ act: 'evict', selector: { tag: 't' } })
        expect(evicted.code).toBe('evict-failed')
        expect(evicted.message).toMatch(/EACCES.*fileMode: 0o664.*directoryMode: 0o2775/s)
        expect((await listens.do({ act: 'ask', key: 'cold.html', tags: ['t'] })).result).toBe('by 60002')
        expect(await www.result({ act: 'get', key: 'a/b.html' })).toBe('by 60001')
        expect(await www.result({ act: 'evict', selector: { tag: 't' } })).toBe(1)
      })
    }

    it('without the group: the same', async () => {
      await (await become(web)).result({ act: 'ask', key: 'a.html' })
      const other = await become(stranger)
      const asked = await other.do({ act: 'ask', key: 'cold.html' })
      expect(asked.result).toBe('by 60003')
      expect(new Set(asked.events.map(({ code }) => code))).toEqual(new Set(['store-unusable']))
      expect((await other.do({ act: 'evict', selector: 'a.html' })).code).toBe('evict-failed')
    })
  },
)
