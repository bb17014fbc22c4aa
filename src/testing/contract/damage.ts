/** What crashes leave behind: half-written pages, pages cut short, locks of the dead. None of it is served, or holds anybody up. */
import assert from 'node:assert/strict'
import type { PageBody } from '../../core/store.js'
import { type ContractTest, type Stage, within } from './contract-test.js'

const key = 'a/b/page.html'
const long = '<p>a line of a page</p>\n'.repeat(400)

export const damageTests: readonly ContractTest[] = [
  {
    title: 'a page whose writer died half-way is none, and its key can be kept again',
    needs: ['tearWrite'],
    async run(stage) {
      await stage.tearWrite(key, long)
      await expectNone(stage)
      await expectHeals(stage)
    },
  },
  {
    title: 'a page whose replacement was being written when its writer died is the old one or none',
    needs: ['tearWrite'],
    async run(stage) {
      await stage.keep(key, 'before')
      await stage.tearWrite(key, long)
      const body = await stage.body(key)
      assert.ok(body === 'before' || body === undefined, `expected the page from before or none, got ${shown(body)}`)
      await stage.evict(key)
      await expectNone(stage)
      await expectHeals(stage)
    },
  },
  {
    title: 'a page of bytes, or one that expires, that was cut short is none',
    needs: ['truncate'],
    async run(stage) {
      const bytes = Buffer.from(long)
      const expiresAtMs = stage.clock.now() + 3_600_000
      for (const page of [stage.page(bytes), { ...stage.page(long), expiresAtMs, renderMs: 5 }]) {
        for (const share of [0.5, 0.99, 0]) {
          assert.equal(await (await stage.begin(key)).publish(page), 'kept')
          await stage.truncate(key, share)
          await expectNone(stage)
        }
      }
      await expectHeals(stage)
    },
  },
  {
    title: 'a page of text that was cut short is none',
    needs: ['truncate'],
    async run(stage) {
      for (const share of [0.5, 0.99]) {
        await stage.keep(key, long)
        await stage.truncate(key, share)
        await expectNone(stage)
      }
      await expectHeals(stage)
    },
  },
  {
    title: 'a page of text of which nothing is left is none',
    needs: ['truncate'],
    async run(stage) {
      await stage.keep(key, long)
      await stage.truncate(key, 0)
      await expectNone(stage)
      await expectHeals(stage)
    },
  },
  {
    title: 'a lock that a dead process left holds nobody up',
    needs: ['leaveLock'],
    async run(stage) {
      await stage.leaveLock(key)
      let renders = 0
      const cache = stage.cache()
      const render = () => `render ${++renders}`
      const answer = cache.getOrRender(key, render)
      assert.equal(await within(stage.patienceMs, answer, 'getOrRender() answers'), 'render 1')
      assert.equal(await stage.body(key), 'render 1')
      await stage.leaveLock(key)
      await within(stage.patienceMs, stage.evict(key), 'evict() answers')
      const next = cache.getOrRender(key, render)
      assert.equal(await within(stage.patienceMs, next, 'getOrRender() answers'), 'render 2')
    },
  },
]

async function expectNone(stage: Stage): Promise<void> {
  const body = await stage.body(key)
  assert.equal(body, undefined, `expected no page, got ${shown(body)}`)
}

/** The next caller's render is answered and kept whole. */
async function expectHeals(stage: Stage): Promise<void> {
  const answer = stage.cache().getOrRender(key, () => 'healed')
  assert.equal(await within(stage.patienceMs, answer, 'getOrRender() answers'), 'healed')
  assert.equal(await stage.body(key), 'healed')
  await stage.evict(key)
}

function shown(body: PageBody | undefined): string {
  return body === undefined ? 'none' : `${body.length} of ${long.length}: ${JSON.stringify(String(body).slice(0, 40))}`
}
