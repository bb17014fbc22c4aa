import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keyOfPath, readKey } from '../../src/http/page-key.js'
import { plainPage } from '../../src/http/plain-page.js'
import { fileTag } from '../../src/http/validators.js'
import type { NginxServer } from './nginx-server.js'
import { mayStartNginx } from './nginx-server.js'
import { type Got, Site } from './site.js'

let site: Site
let nginx: NginxServer
const get = (url: string, headers?: Record<string, string>, method?: string): Promise<Got> =>
  site.get(nginx, url, headers, method)
const keep = (key: string, body: string | Uint8Array = `file ${key}`) => site.cache.set(key, body)

beforeAll(async () => {
  site = new Site()
  nginx = await site.nginx()
  await keep('index.html')
})
afterEach(() => {
  site.asked.length = 0
})
afterAll(() => site.close())

describe.skipIf(!mayStartNginx)('the recipe for nginx', () => {
  it.each([
    '/',
    '/ports/',
    '/a/b-c/d_e/',
    '/style.css',
    '/feed.xml',
    '/about',
    '/v1.2',
    '/devel/c++/',
    '/A.HTML',
    '/x.y.z',
  ])('sends the file that pagekeep/http keeps for %s', async (url) => {
    const key = keyOfPath(url) ?? ''
    await keep(key)
    expect(await get(url)).toMatchObject({ status: 200, body: `file ${key}`, isFile: true })
    expect(site.asked).toEqual([])
  })

  it.each(['html', 'css', 'js', 'json', 'xml', 'svg', 'txt', 'head', 'unknown'])(
    'gives .%s the type that pagekeep/http gives it',
    async (suffix) => {
      const key = `types/a.${suffix}`
      await keep(key, 'å')
      const [type] = plainPage(key, 2, undefined, Date.now()).headers
      expect((await get(`/${key}`)).headers['content-type']).toBe(type?.[1])
    },
  )

  it('asks the application for what is not kept, for the address as it was sent', async () => {
    for (const url of ['/none/', '/none', '/a%2Fb/?x=%20', '/none.css?y']) {
      expect(await get(url)).toMatchObject({ status: 200, body: 'asked', isFile: false })
    }
    expect(site.asked).toEqual(['GET /none/', 'GET /none', 'GET /a%2Fb/?x=%20', 'GET /none.css?y'])
  })

  it('answers HEAD from the file, and hands other methods on', async () => {
    expect(await get('/', {}, 'HEAD')).toMatchObject({ status: 200, body: '', isFile: true })
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PURGE']) await get('/', {}, method)
    expect(site.asked).toEqual(['POST /', 'PUT /', 'DELETE /', 'OPTIONS /', 'PURGE /'])
  })

  it('sends files for the one query that has them, and for no other', async () => {
    await keep('list/index.html')
    await keep('list/index.html@page=2')
    expect(await get('/list/?page=2')).toMatchObject({ body: 'file list/index.html@page=2', isFile: true })
    expect((await get('/list/?page=2')).headers['content-type']).toBe('text/html; charset=utf-8')
    for (const url of ['/list/?', '/list/?page=3', '/list/?page=2&x=1', '/list/?x=1', '/list/?page=%32']) {
      expect(await get(url), url).toMatchObject({ body: 'asked' })
    }
  })

  it('asks the application about visitors who may be somebody: cookies, authorization, upgrades', async () => {
    for (const headers of [{ cookie: 'session=1' }, { cookie: '_ga=1; session=1' }, { authorization: 'Basic eA==' }]) {
      expect(await get('/', headers)).toMatchObject({ body: 'asked' })
    }
    expect(await get('/', { cookie: '_ga=GA1.2; _ga_X1=3' })).toMatchObject({ isFile: true })
  })

  it('sends for any address the file of the key that pagekeep/http makes of it, or asks the application', async () => {
    const odd = fc.stringMatching(
      /^[aB.+_~@%=,;:!'()*&$-]{0,3}(?:%2[eEfF]|%[46]1|\.\.?|index\.html|\.html|\.gz|[ab1]{1,3})?$/,
    )
    const usual = fc.constantFrom('a', 'b', 'c.html', 'd.css', 'e-f', '')
    const part = fc.oneof({ arbitrary: usual, weight: 4 }, odd)
    const address = fc
      .tuple(fc.array(part, { minLength: 1, maxLength: 4 }), fc.constantFrom('', '', '?', '?page=1', '?x'))
      .map(([parts, query]) => `/${parts.join('/')}${query}`)
    let files = 0
    const check = async (url: string) => {
      const read = readKey({ method: 'GET', url, headers: {} }, { hosts: 'any', query: ['page'] })
      const key = typeof read === 'string' ? undefined : read.key
      // A page and a directory of pages cannot share a name; then there is no page.
      if (key !== undefined) await keep(key).catch(() => undefined)
      const got = await get(url)
      if (got.isFile) {
        files++
        expect(got.body).toBe(`file ${key}`)
      } else {
        expect([200, 400, 404]).toContain(got.status)
      }
    }
    await fc.assert(fc.asyncProperty(address, check), { numRuns: 300 })
    expect(files).toBeGreaterThan(10)
  })

  it('sends a page with a record never as a file: status, headers, an end, bytes', async () => {
    await site.cache.set('gone/index.html', 'not found', { metadata: '{"status":404}' })
    await site.cache.set('short/index.html', 'for a while', { ttlMs: 60_000 })
    await site.cache.set('bytes/index.html', Buffer.from('bytes'))
    await site.cache.set('empty/index.html', '')
    for (const name of ['gone', 'short', 'bytes', 'empty']) {
      expect(await get(`/${name}/`)).toMatchObject({ body: 'asked', isFile: false })
    }
  })

  it('would send such a page as any other without its look at the mode', async () => {
    const careless = await site.nginx({
      changes: [['if (-x $document_root$pagekeep_page)', "if ($pagekeep_page = '')"]],
    })
    await site.cache.set('gone/index.html', 'not found', { metadata: '{"status":404}' })
    expect(await site.get(careless, '/gone/')).toMatchObject({ status: 200, body: 'not found' })
  })

  it('is not led astray by a directory where a file is asked for', async () => {
    await keep('deep.html/index.html')
    expect(await get('/deep.html')).toMatchObject({ status: 200, body: 'asked' })
    expect(await get('/deep.html/')).toMatchObject({ isFile: true })
  })

  it('compresses what it sends', async () => {
    await keep('long/index.html', 'long '.repeat(1000))
    const { headers } = await get('/long/', { 'accept-encoding': 'gzip' })
    expect(headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
  })

  it('does not take a file of the site beside a page for the page compressed', async () => {
    await keep('twin.html', 'new')
    writeFileSync(path.join(site.directory, 'twin.html.gz'), 'old')
    expect(await get('/twin.html', { 'accept-encoding': 'gzip' })).toMatchObject({ body: 'new' })
    const careless = await site.nginx({ changes: [['open_file_cache off;', 'open_file_cache off; gzip_static on;']] })
    expect(await site.get(careless, '/twin.html', { 'accept-encoding': 'gzip' })).toMatchObject({ body: 'old' })
  })

  it('answers no host that is not its own', async () => {
    await expect(site.get(nginx, '/', { host: 'other.example' })).rejects.toThrow('socket hang up')
  })
})

describe.skipIf(!mayStartNginx)('a page that changes within a second, at the same length', () => {
  const file = () => path.join(site.directory, 'news/index.html')
  const ask = (server: NginxServer, tag: string | undefined) =>
    site.get(server, '/news/', tag === undefined ? {} : { 'if-none-match': tag })

  /** One version is read, the next is kept, and whoever has the first asks whether it is still good. */
  const change = async (server: NginxServer) => {
    await keep('news/index.html', 'one')
    const first = await ask(server, undefined)
    await site.cache.evict('news/index.html')
    await keep('news/index.html', 'two')
    const { status } = await ask(server, first.headers.etag)
    const isTagged = first.headers.etag !== undefined
    return { isTagged, isStale: status === 304 }
  }

  it('is never "not modified" with the recipe', async () => {
    const beganAtMs = Date.now()
    while (Date.now() < beganAtMs + 3000) expect(await change(nginx)).toMatchObject({ isStale: false })
  })

  it('is, with the tags that nginx gives any file', async () => {
    const careless = await site.nginx({ changes: [['add_header ETag $pagekeep_tag;', '']] })
    let seen = await change(careless)
    while (!seen.isStale) seen = await change(careless)
    expect(seen.isTagged).toBe(true)
  })

  it('has no tag before its second is over, and then the one of pagekeep/http, with which it is "not modified"', async () => {
    await keep('news/index.html', 'one')
    const endsAtMs = (Math.floor(statSync(file()).mtimeMs / 1000) + 1) * 1000
    let got = await get('/news/')
    while (got.headers.etag === undefined) {
      got = await get('/news/')
      expect(got).toMatchObject({ status: 200, isFile: true })
    }
    expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs + 100)
    expect(got.headers.etag).toBe(fileTag(statSync(file()).mtimeMs, 3))
    expect(await ask(nginx, got.headers.etag)).toMatchObject({ status: 304, body: '' })
    expect(await ask(nginx, `W/${got.headers.etag}`)).toMatchObject({ status: 304 })
    expect(await ask(nginx, '"other"')).toMatchObject({ status: 200, body: 'one' })
  })

  it('is not told from the one before by a date or a part', async () => {
    await keep('news/index.html', 'one')
    const date = statSync(file()).mtime.toUTCString()
    expect((await get('/news/')).headers).not.toHaveProperty('last-modified')
    expect(await get('/news/', { 'if-modified-since': date })).toMatchObject({ status: 200, body: 'one' })
    expect(await get('/news/', { range: 'bytes=1-', 'if-range': date })).toMatchObject({ status: 200, body: 'one' })
  })
})

describe.skipIf(!mayStartNginx)('what lies in .pagekeep', () => {
  /** A request exactly as it is written here, which no client would send. */
  const raw = (url: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(nginx.port, '127.0.0.1')
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes
      })
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
      socket.write(`GET ${url} HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n`)
    })
  const boot = 'private'

  beforeAll(() => {
    writeFileSync(path.join(site.directory, '.pagekeep/boot'), boot)
    writeFileSync(path.join(site.directory, '.hidden'), boot)
    symlinkSync('.pagekeep', path.join(site.directory, '.pagekeep/loop'))
  })

  it.each([
    '/.pagekeep/boot',
    '/.PageKeep/boot',
    '//.pagekeep/boot',
    '/x/../.pagekeep/boot',
    '/ports/./../.pagekeep/boot',
    '/%2epagekeep/boot',
    '/%2Epagekeep%2fboot',
    '/.pagekeep%2fboot',
    '/.%70agekeep/boot',
    '/x/%2e%2e/.pagekeep/boot',
    '/x/..%2f.pagekeep/boot',
    '/.pagekeep/./boot',
    '/.pagekeep//boot',
    '/.pagekeep/boot?page=1',
    '/.pagekeep/boot#x',
    '/.pagekeep/',
    '/.pagekeep',
    '/.pagekeep/state/sign-of-life',
    '/.pagekeep/loop/boot',
    '/.hidden',
    '/%2ehidden',
    '/ports/../.hidden',
    '/ports/..;/.hidden',
    '/ports\\..\\.hidden',
    '/%252epagekeep/boot',
    '/%c0%aepagekeep/boot',
    '/.pagekeep/boot%00.html',
    'http://www.example.org/.pagekeep/boot',
    '/../.pagekeep/boot',
    '/../../etc/passwd',
  ])('is not to be had by %s', async (url) => {
    const text = await raw(url)
    expect(text).toMatch(/^HTTP\/1\.1 (?:200|400|404) /)
    expect(text).not.toContain(boot)
    expect(text).not.toContain('root:')
    expect(text).not.toContain('pagekeep; hit')
  })

  it('is to be had where a document root is all there is', async () => {
    const plain = [
      ["if ($pagekeep_page = '')", "if ($uri = '')"],
      ['if (-x $document_root$pagekeep_page)', "if ($uri = '')"],
      ['rewrite ^ $pagekeep_page break;', ''],
      ['location ~* /\\.pagekeep {', 'location = /unused {'],
    ] as const
    const careless = await site.nginx({ changes: plain })
    expect(await site.get(careless, '/.pagekeep/boot')).toMatchObject({ status: 200, body: boot })
  })
})
