/** The handler of examples/nextjs as Next calls it, one instance a request, without Next. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCache } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Handler {
  get(key: string, context: object): Promise<{ value: unknown; lastModified: number } | null>
  set(key: string, value: unknown, context: object): Promise<void>
  revalidateTag(tags: string | string[]): Promise<void>
}

const directory = mkdtempSync(join(tmpdir(), 'pagekeep-nextjs-'))
let Handler: new (context: object) => Handler
// As another process on the directory: the listener.
const elsewhere = createCache({ store: new DiskStore({ directory }) })

beforeAll(async () => {
  process.env.PAGEKEEP_DIRECTORY = directory
  Handler = (await import('../../examples/nextjs/cache-handler.mjs' as string)).default
})
afterAll(async () => {
  delete process.env.PAGEKEEP_DIRECTORY
  await elsewhere.close()
  rmSync(directory, { recursive: true, force: true })
})

let count = 0
const newKey = () => `/route-cache/APP_PAGE/0a1b/$/products/${++count}`
const context = { kind: 'APP_PAGE', cacheControl: { revalidate: false } }
const page = (html: string, ...tags: string[]) => ({
  kind: 'APP_PAGE',
  html,
  headers: { 'x-next-cache-tags': tags.join(',') },
  rscData: Buffer.from([0, 255]),
  segmentData: new Map([['/_tree', Buffer.from('tree')]]),
})
const request = () => new Handler({})

describe('the handler of examples/nextjs', () => {
  it('answers what was told after it was asked, with its maps and bytes', async () => {
    const key = newKey()
    const one = request()
    expect(await one.get(key, context)).toBeNull()
    await one.set(key, page('<p>tea', 'product:1'), context)
    const kept = await request().get(key, context)
    expect(kept).toMatchObject({ value: page('<p>tea', 'product:1'), cacheControl: context.cacheControl })
  })

  it.each(['revalidateTag', 'another process'])('keeps nothing that %s evicted while it was rendered', async (who) => {
    const key = newKey()
    const tag = `product:${count}`
    const one = request()
    await one.get(key, context)
    if (who === 'revalidateTag') await request().revalidateTag(tag)
    else await elsewhere.evict({ tag })
    await one.set(key, page('old', tag), context)
    expect(await request().get(key, context)).toBeNull()
  })

  it('control: whoever begins when it is told keeps the old page', async () => {
    const key = newKey()
    const tag = `product:${count}`
    const naive = request()
    const late = request()
    await naive.get(key, context)
    await elsewhere.evict({ tag })
    await late.get(key, context)
    await late.set(key, page('old', tag), context)
    expect(await request().get(key, context)).toMatchObject({ value: { html: 'old' } })
  })

  it('evicts by a tag what is kept', async () => {
    const key = newKey()
    const one = request()
    await one.get(key, context)
    await one.set(key, page('tea', '_N_T_/layout', 'tea'), context)
    await request().revalidateTag(['tea', 'coffee'])
    expect(await request().get(key, context)).toBeNull()
  })

  it('keeps nothing that was not asked for, nor the second of two that were asked for at once', async () => {
    const key = newKey()
    await request().set(key, page('unasked'), context)
    const one = request()
    expect(await Promise.all([one.get(key, context), one.get(key, context)])).toEqual([null, null])
    await one.set(key, page('first'), context)
    await one.set(key, page('second'), context)
    expect(await request().get(key, context)).toMatchObject({ value: { html: 'first' } })
  })

  it('has begun before it answers what is past its time, so that it may be told anew', async () => {
    const key = newKey()
    const aged = { kind: 'APP_PAGE', cacheControl: { revalidate: 0 } }
    const one = request()
    await one.get(key, aged)
    await one.set(key, page('old', 'aged'), aged)
    const two = request()
    expect(await two.get(key, aged)).toMatchObject({ value: { html: 'old' } })
    await elsewhere.evict({ tag: 'aged' })
    // As Next does when the render failed: it tells the old page again.
    await two.set(key, page('old', 'aged'), aged)
    expect(await request().get(key, aged)).toBeNull()
    const three = request()
    await three.get(key, aged)
    await three.set(key, page('new', 'aged'), aged)
    expect(await request().get(key, aged)).toMatchObject({ value: { html: 'new' } })
  })

  it('keeps data of fetch and unstable_cache by their tags, and leaves out what is no tag', async () => {
    const key = 'f'.repeat(64)
    const value = { kind: 'FETCH', data: { body: '{}' }, revalidate: 31_536_000, tags: ['product:9', 'x'.repeat(600)] }
    const one = request()
    await one.get(key, { kind: 'FETCH' })
    await one.set(key, value, { fetchCache: true, tags: value.tags })
    expect(await request().get(key, { kind: 'FETCH' })).toMatchObject({ value })
    await elsewhere.evict({ tag: 'product:9' })
    expect(await request().get(key, { kind: 'FETCH' })).toBeNull()
  })
})
