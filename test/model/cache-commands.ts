/** What may happen to a cache, as commands for fast-check: each done to the real one and to the reference. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { SelectorInput } from 'pagekeep'
import { type CacheReference, type Key, keys } from './cache-reference.js'
import type { CacheSubject } from './cache-subject.js'

type Command = fc.AsyncCommand<CacheReference, CacheSubject>

/** A command that may always be given, and after which what is kept is compared. */
function command(text: string, act: (reference: CacheReference, subject: CacheSubject) => Promise<void>): Command {
  return {
    check: () => true,
    async run(reference, subject) {
      await act(reference, subject)
      await subject.check(reference, keys)
    },
    toString: () => text,
  }
}

export const ask = (key: Key) =>
  command(`getOrRender(${key})`, async (reference, subject) => {
    const page = () => reference.render(key, subject.clock.now())
    const kept = reference.pages.get(key)
    const answer = await subject.ask(key, page, reference.bound(key))
    const open = reference.open.get(key)
    if (answer === undefined) {
      assert.ok(open, 'only an open render makes a call wait')
    } else if (!answer.isRendered) {
      assert.equal(answer.body, kept?.body, 'what is answered without a render is what is kept')
    } else {
      assert.equal(answer.body, page().body, 'a render shows the data of now')
      assert.ok(kept === undefined || kept.mayBeLost, 'a page that is kept is not rendered')
      reference.pages.set(key, page())
    }
  })

export const begin = (key: Key) =>
  command(`begin a render of ${key}`, async (reference, subject) => {
    if (reference.open.has(key)) return
    const page = reference.render(key, subject.clock.now())
    const isRendering = await subject.begin(key, page, reference.bound(key))
    const kept = reference.pages.get(key)
    if (!kept?.mayBeLost) assert.equal(isRendering, kept === undefined, 'a kept page is not rendered')
    if (isRendering) reference.open.set(key, { page, isDoomed: false })
  })

export const finish = (key: Key) =>
  command(`finish the render of ${key}`, async (reference, subject) => {
    const open = reference.open.get(key)
    if (open === undefined) return
    const { body, isRenderedAnew } = await subject.finish(key)
    assert.equal(body, open.page.body, 'who began the render gets what it made')
    reference.open.delete(key)
    const isDead = open.isDoomed || open.page.expiresAtMs <= subject.clock.now()
    if (!isDead) reference.pages.set(key, open.page)
    if (!isRenderedAnew) return
    // Who waited for a render that was not kept, or was not to be believed, looks again.
    assert.ok(isDead || open.page.mayBeLost, 'who waited for a page that is kept does not render')
    reference.pages.set(key, reference.render(key, subject.clock.now()))
  })

const change = (row: string) =>
  command(`change ${row}`, async (reference) => {
    reference.change(row)
  })

export const evict = (selector: SelectorInput, isByOther: boolean) =>
  command(
    `change and evict ${JSON.stringify(selector)}${isByOther ? ' elsewhere' : ''}`,
    async (reference, subject) => {
      for (const row of reference.rowsOf(selector)) reference.change(row)
      await subject.instance(isByOther).evict(selector)
      reference.evict(selector)
    },
  )

const set = (key: Key) =>
  command(`set(${key})`, async (reference, subject) => {
    const page = reference.render(key, subject.clock.now())
    const options = { tags: page.tags, ...(key.startsWith('b/') && { ttlMs: page.expiresAtMs - subject.clock.now() }) }
    await subject.cache.set(key, page.body, options)
    const open = reference.open.get(key)
    if (open !== undefined) open.isDoomed = true
    reference.pages.set(key, page)
  })

export const advance = (byMs: number) =>
  command(`${byMs} ms pass`, async (reference, subject) => {
    subject.clock.advance(byMs)
    reference.expire(subject.clock.now())
  })

const restart = command('restart', async (reference, subject) => {
  // A render that is open when its cache is closed is answered and not kept.
  reference.open.clear()
  await subject.restart()
  if (!subject.areShared) reference.pages.clear()
})

const selectors: readonly SelectorInput[] = [
  ...keys,
  'a/**',
  '**',
  'a/*.html',
  '*/x.*',
  { tag: 'tag:0' },
  { tag: 'tag:1' },
]

const anyKey = fc.constantFrom(...keys)

export const cacheCommands = fc.commands(
  [
    anyKey.map(ask),
    anyKey.map(begin),
    anyKey.map(begin),
    anyKey.map(finish),
    fc.tuple(fc.constantFrom(...selectors), fc.boolean()).map(([selector, isByOther]) => evict(selector, isByOther)),
    fc.constantFrom(...keys, 'tag:0', 'tag:1').map(change),
    anyKey.map(set),
    fc.constantFrom(1, 500, 999, 1000).map(advance),
    fc.constant(restart),
  ],
  { maxCommands: 40, size: 'large' },
)
