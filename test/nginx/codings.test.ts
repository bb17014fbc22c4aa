/** The recipe for directories whose pages lie compressed: nginx sends them as they lie, to who takes them so. */
import { readFileSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { plainPage } from '../../src/http/plain-page.js'
import type { NginxServer } from './nginx-server.js'
import { mayStartNginx } from './nginx-server.js'
import { type Got, Site } from './site.js'

const text = 'päge '.repeat(500)
const codings = { gzip: '.gz', br: '.br' } as const

for (const coding of ['gzip', 'br'] as const) {
  let site: Site
  let nginx: NginxServer
  const keep = (key: string, body: string | Uint8Array = `file ${key} ${text}`) => site.cache.set(key, body)
  const file = (key: string) => path.join(site.directory, key + codings[coding])
  const get = (url: string, headers: Record<string, string> = {}, method?: string, server = nginx): Promise<Got> =>
    site.get(server, url, headers, method)
  const take = (url: string, headers: Record<string, string> = {}, method?: string, server = nginx) =>
    get(url, { 'accept-encoding': coding, ...headers }, method, server)

  describe.skipIf(!mayStartNginx)(`the recipe for nginx on pages that lie in ${coding}`, () => {
    beforeAll(async () => {
      site = new Site(undefined, coding)
      nginx = await site.nginx()
      await keep('index.html')
    })
    afterEach(() => {
      site.asked.length = 0
    })
    afterAll(() => site.close())

    it('sends the file itself to who takes it so', async () => {
      const got = await take('/')
      expect(got).toMatchObject({ status: 200, isFile: true, body: `file index.html ${text}` })
      expect(got.bytes.equals(readFileSync(file('index.html')))).toBe(true)
      expect(got.headers).toMatchObject({
        'content-encoding': coding,
        'content-length': String(statSync(file('index.html')).size),
        vary: 'Accept-Encoding',
      })
      expect(site.asked).toEqual([])
    })

    it.each([undefined, 'identity', 'deflate', `${coding};q=0`, `x${coding}, ${coding}x`, `${coding};q=0.000, *;q=0`])(
      'sends it to nobody who takes it otherwise: %s',
      async (accepted) => {
        const got = await get('/', accepted === undefined ? {} : { 'accept-encoding': accepted })
        expect(got.headers).not.toHaveProperty('content-encoding')
        if (coding === 'gzip') {
          expect(got).toMatchObject({ status: 200, isFile: true, body: `file index.html ${text}` })
          expect(got.headers.vary).toBe('Accept-Encoding')
          expect(site.asked).toEqual([])
        } else {
          expect(got).toMatchObject({ isFile: false, body: 'asked' })
          expect(site.asked).toEqual(['GET /'])
        }
      },
    )

    it.each([
      'gzip, deflate, br',
      'br;q=1.0, gzip;q=0.8',
      'deflate, gzip;q=0.5,br;q=0.5',
      'gzip ; q=0.001 , br ; q=0.001',
    ])('sends it to who takes it among others: %s', async (accepted) => {
      expect((await get('/', { 'accept-encoding': accepted })).headers).toMatchObject({ 'content-encoding': coding })
    })

    it.each([
      '/',
      '/ports/',
      '/style.css',
      '/feed.xml',
      '/about',
      '/v1.2',
      '/x.y.z',
      '/a.json',
      '/b.js',
      '/c.svg',
      '/d.txt',
    ])('gives %s the type that pagekeep/http gives it', async (url) => {
      const key = url.endsWith('/')
        ? `${url.slice(1)}index.html`
        : /\.[a-z]+$/.test(url)
          ? url.slice(1)
          : `${url.slice(1)}@.html`
      await keep(key)
      const [type] = plainPage(key, text.length, undefined, Date.now()).headers
      const got = await take(url)
      expect(got).toMatchObject({ isFile: true, body: `file ${key} ${text}` })
      expect(got.headers['content-type']).toBe(type?.[1])
    })

    it('sends a page of a query as any other', async () => {
      await keep('list/index.html@page=2')
      const got = await take('/list/?page=2')
      expect(got).toMatchObject({ isFile: true, body: `file list/index.html@page=2 ${text}` })
      expect(got.headers['content-type']).toBe('text/html; charset=utf-8')
      expect(await take('/list/?page=3')).toMatchObject({ body: 'asked' })
    })

    it('answers HEAD as GET, without the page', async () => {
      const { headers } = await take('/')
      const got = await take('/', {}, 'HEAD')
      expect(got).toMatchObject({ status: 200, body: '', isFile: true })
      for (const name of ['content-length', 'content-encoding', 'content-type', 'vary', 'etag'])
        expect(got.headers[name], name).toBe(headers[name])
    })

    it('asks the application for what is not kept, and for pages with a record', async () => {
      await site.cache.set('gone/index.html', 'not found', { metadata: '{"status":404}' })
      await site.cache.set('short/index.html', 'for a while', { ttlMs: 60_000 })
      await site.cache.set('bytes.txt', Buffer.from('bytes'))
      for (const url of ['/gone/', '/short/', '/bytes.txt', '/none/', '/none.css']) {
        expect(await take(url)).toMatchObject({ status: 200, body: 'asked', isFile: false })
      }
      expect(site.asked).toEqual(['GET /gone/', 'GET /short/', 'GET /bytes.txt', 'GET /none/', 'GET /none.css'])
    })

    it('would send such a page as any other without its look at the mode', async () => {
      const look = `if (-x $document_root$pagekeep_page${codings[coding]})`
      const careless = await site.nginx({ changes: [[look, "if ($pagekeep_page = '')"]] })
      await site.cache.set('gone/index.html', 'not found', { metadata: '{"status":404}' })
      expect(await take('/gone/', {}, 'GET', careless)).toMatchObject({ status: 200, body: 'not found' })
    })

    it('does not take the file of one page for another', async () => {
      await keep('one.html')
      for (const suffix of Object.values(codings))
        expect(await take(`/one.html${suffix}`)).toMatchObject({ body: 'asked' })
      await keep('two.html.gz')
      await keep('two.html.br')
      for (const suffix of Object.values(codings)) {
        const { isFile, body } = await take(`/two.html${suffix}`)
        // Where the name alone leaves it open it is not sent.
        expect(body).toBe(isFile ? `file two.html${suffix} ${text}` : 'asked')
      }
      expect(await take('/two.html')).toMatchObject({ body: 'asked' })
    })

    it('lets nobody have what lies in .pagekeep', async () => {
      writeFileSync(path.join(site.directory, `.pagekeep/boot${codings[coding]}`), 'private')
      for (const url of [
        '/.pagekeep/boot',
        `/.pagekeep/boot${codings[coding]}`,
        '/x/../.pagekeep/boot',
        '/%2epagekeep/boot',
      ]) {
        expect(await raw(nginx, url, coding), url).not.toMatch(/private|pagekeep; hit/)
      }
    })

    it('has one weak tag for what it sends, and none before its second is over', async () => {
      await keep('news/index.html')
      const endsAtMs = (Math.floor(statSync(file('news/index.html')).mtimeMs / 1000) + 1) * 1000
      let got = await take('/news/')
      while (got.headers.etag === undefined) {
        got = await take('/news/')
        expect(got).toMatchObject({ status: 200, isFile: true })
      }
      expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs + 100)
      const { etag } = got.headers
      expect(etag).toMatch(/^W\/"[0-9a-f]+-[0-9a-f]+"$/)
      if (coding === 'gzip') expect((await get('/news/')).headers.etag).toBe(etag)
      for (const tag of [etag, etag.slice(2), `"x", ${etag}`]) {
        const same = await take('/news/', { 'if-none-match': tag })
        expect(same).toMatchObject({ status: 304, body: '' })
        expect(same.headers).toMatchObject({ vary: 'Accept-Encoding', etag })
      }
      expect(await take('/news/', { 'if-none-match': '"other"' })).toMatchObject({ status: 200 })
      expect(got.headers).not.toHaveProperty('last-modified')
    })

    it('is never "not modified" when a page changes within a second, at the same length', async () => {
      const beganAtMs = Date.now()
      while (Date.now() < beganAtMs + 3000) {
        await keep('news/index.html', 'one')
        const { headers } = await take('/news/')
        await site.cache.evict('news/index.html')
        await keep('news/index.html', 'two')
        const condition = { 'if-none-match': headers.etag ?? '"none"' }
        expect(await take('/news/', condition)).toMatchObject({ status: 200, body: 'two' })
      }
    })

    it('sends no part of a page', async () => {
      for (const headers of [
        { range: 'bytes=1-3' },
        { range: 'bytes=1-3', 'if-range': (await take('/')).headers.etag ?? '"x"' },
      ]) {
        expect(await take('/', headers)).toMatchObject({ status: 200, body: `file index.html ${text}` })
      }
    })

    it('sends nothing once the link to the directory is gone, by which the switch works', async () => {
      const link = path.join(site.parent, 'link')
      symlinkSync(site.directory, link)
      const switched = await site.nginx({ root: link })
      expect(await take('/', {}, 'GET', switched)).toMatchObject({ isFile: true })
      unlinkSync(link)
      expect(await take('/', {}, 'GET', switched)).toMatchObject({ status: 200, body: 'asked' })
    })

    it('sends what was kept last, and nothing once it is evicted', async () => {
      await keep('news/index.html', 'one')
      expect(await take('/news/')).toMatchObject({ isFile: true, body: 'one' })
      await keep('news/index.html', 'two')
      expect(await take('/news/')).toMatchObject({ isFile: true, body: 'two' })
      await site.cache.evict('news/**')
      expect(await take('/news/')).toMatchObject({ isFile: false, body: 'asked' })
    })
  })
}

describe.skipIf(!mayStartNginx)('the recipe for nginx on pages that lie in gzip', () => {
  let site: Site
  let nginx: NginxServer
  beforeAll(async () => {
    site = new Site(undefined, 'gzip')
    nginx = await site.nginx()
    await site.cache.set('index.html', text)
    await site.cache.set('one.html', text)
  })
  afterAll(() => site.close())

  it('sends them as they lie through a proxy and by HTTP/1.0, too', async () => {
    const through = { 'accept-encoding': 'gzip', via: '1.1 cdn' }
    expect((await site.get(nginx, '/', through)).headers['content-encoding']).toBe('gzip')
    expect(await raw(nginx, '/', 'gzip', '1.0')).toContain('Content-Encoding: gzip')
  })

  it('would unpack them for every CDN without gzip_proxied', async () => {
    const careless = await site.nginx({ changes: [['gzip_proxied any;', '']] })
    const got = await site.get(careless, '/', { 'accept-encoding': 'gzip', via: '1.1 cdn' })
    expect(got.headers).not.toHaveProperty('content-encoding')
  })

  it('would send one page for another if it did not look at the end of the name', async () => {
    const careless = await site.nginx({ changes: [["if ($pagekeep_page ~ '\\.gz$')", "if ($pagekeep_page = '')"]] })
    const got = await site.get(careless, '/one.html.gz', { 'accept-encoding': 'gzip' })
    expect(got).toMatchObject({ status: 200, isFile: true })
    expect(got.bytes.equals(readFileSync(path.join(site.directory, 'one.html.gz')))).toBe(true)
  })

  it('says nothing of what is damaged but in its log: whoever unpacks it notices', async () => {
    site.cache.on('error', ({ code }) => expect(code).toBe('store-failed'))
    await site.cache.set('damaged.html', text)
    const file = path.join(site.directory, 'damaged.html.gz')
    writeFileSync(file, readFileSync(file).subarray(0, 30))
    await expect(site.get(nginx, '/damaged.html')).rejects.toThrow()
    expect(nginx.errors()).toContain('inflate()')
    expect(await site.cache.getOrRender('damaged.html', () => 'anew')).toBe('anew')
    expect(await site.get(nginx, '/damaged.html')).toMatchObject({ isFile: true, body: 'anew' })
  })
})

/** A request exactly as it is written here, and the answer. */
function raw({ port }: NginxServer, url: string, coding: string, version = '1.1'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1')
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
    const fields = `Host: www.example.org\r\nAccept-Encoding: ${coding}\r\nConnection: close`
    socket.write(`GET ${url} HTTP/${version}\r\n${fields}\r\n\r\n`)
  })
}
