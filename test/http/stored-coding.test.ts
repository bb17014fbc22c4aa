/** Pages that the store has in a content coding are sent as they lie there to who takes them so. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { createCache, type PageCache, systemClock } from 'pagekeep'
import { HttpCache, type HttpCacheOptions } from 'pagekeep/http'
import { DiskStore } from 'pagekeep/stores/disk'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ask, header, Site } from './ask.js'

const text = '<p>Größe</p>\n'.repeat(500)
const html: [string, string] = ['Content-Type', 'text/html; charset=utf-8']
let directory = ''
let cache: PageCache
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'pagekeep-http-'))
  cache = createCache({ store: new DiskStore({ directory, coding: 'gzip' }) })
})
afterEach(async () => {
  await cache.close()
  rmSync(directory, { recursive: true })
})

const over = (options: Partial<HttpCacheOptions> = {}) =>
  new HttpCache({ cache, hosts: 'any', plain: true, ...options })
const site = (headers: [string, string][] = [html]) => new Site({ headers, body: text })
const asking = (coding: string) => ({ headers: { 'accept-encoding': coding } })
const bytesOf = (body: unknown) => Buffer.from(body as string)

describe('a plain page in a store with a coding', () => {
  it('is sent as its file to who takes that coding, whole to others, and says that it varies', async () => {
    const pages = over()
    await ask(pages, site())
    const coded = await ask(pages, site(), asking('br, gzip'))
    expect(header(coded, 'content-encoding')).toBe('gzip')
    expect(bytesOf(coded.body).equals(readFileSync(path.join(directory, 'index.html.gz')))).toBe(true)
    expect(header(coded, 'content-length')).toBe(String(bytesOf(coded.body).length))
    const plain = await ask(pages, site(), asking('br'))
    expect(header(plain, 'content-encoding')).toBeUndefined()
    expect(bytesOf(plain.body).toString()).toBe(text)
    for (const reply of [coded, plain]) expect(header(reply, 'vary')).toBe('Accept-Encoding')
  })

  it('has another strong ETag in that coding, and is not modified by either', async () => {
    const pages = over({ clock: { ...systemClock, now: () => Date.now() + 5000 } })
    await ask(pages, site())
    const tagOf = async (coding: string) => header(await ask(pages, site(), asking(coding)), 'etag') ?? 'none'
    const [coded, plain] = [await tagOf('gzip'), await tagOf('identity')]
    expect(coded).not.toBe(plain)
    for (const [coding, tag] of [
      ['gzip', coded],
      ['identity', plain],
    ] as const) {
      const condition = { headers: { 'accept-encoding': coding, 'if-none-match': tag } }
      expect((await ask(pages, site(), condition)).status).toBe(304)
    }
  })

  it('is sent in no coding that the layer was told not to use', async () => {
    for (const codings of [[], ['br']] as const) {
      const pages = over({ codings })
      await ask(pages, site())
      expect(header(await ask(pages, site(), asking('gzip')), 'content-encoding')).toBeUndefined()
    }
  })
})

describe('a page with fields of its own in a store with a coding', () => {
  it('keeps the variants of its own, and has that of the store besides', async () => {
    const pages = over({ codings: ['br', 'gzip'] })
    await ask(pages, site([html, ['X-Own', '1']]))
    const { body } = await ask(pages, site(), asking('br, gzip'))
    expect(brotliDecompressSync(bytesOf(body)).toString()).toBe(text)
    const gzipped = await ask(pages, site(), asking('gzip'))
    expect(gunzipSync(bytesOf(gzipped.body)).toString()).toBe(text)
  })

  it.each([
    ['is no text', [['Content-Type', 'image/png']]],
    ['may not be changed', [html, ['Cache-Control', 'no-transform']]],
    ['is in a coding already', [html, ['Content-Encoding', 'x-own']]],
  ] as const)('is sent as the site made it where it %s', async (_, fields) => {
    const pages = over()
    const own = () => site(fields.map(([name, value]): [string, string] => [name, value]))
    await ask(pages, own())
    const reply = await ask(pages, own(), asking('gzip'))
    expect(header(reply, 'content-encoding')).not.toBe('gzip')
    expect(bytesOf(reply.body).toString()).toBe(text)
  })
})
