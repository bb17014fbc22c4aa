import fc from 'fast-check'
import { keyProblem } from 'pagekeep'
import { describe, expect, it } from 'vitest'
import { cutSegment, encodeValue } from '../../src/core/segment.js'
import { type PageKeyOptions, readKey } from '../../src/http/page-key.js'
import { request } from './ask.js'

const key = (url: string, options: Partial<PageKeyOptions> = {}, headers: Record<string, string> = {}) => {
  const read = readKey(request({ url, headers: { host: 'www.example.org', ...headers } }), { hosts: 'any', ...options })
  return typeof read === 'string' ? { refused: read } : read
}

describe('readKey()', () => {
  it.each([
    ['/', 'index.html'],
    ['/ports/', 'ports/index.html'],
    ['/style.css', 'style.css'],
    ['/daily/2020/01/08.daily.head', 'daily/2020/01/08.daily.head'],
    ['/about', 'about@.html'],
    ['/v1.2', 'v1.2@.html'],
    ['/a%2fb', 'a%2fb@.html'],
    ['/a%20b/', 'a%20b/index.html'],
    ['/.well-known/x', '%2ewell-known/x@.html'],
    ['/a//b', 'a/~e/b@.html'],
    ['/a@b/', 'a%40b/index.html'],
    ['/%C3%A9', '%c3%a9@.html'],
  ])('makes of %s the key %s', (url, expected) => {
    expect(key(url)).toMatchObject({ key: expected })
  })

  it.each([
    ['/..', 'path'],
    ['/a/../b', 'path'],
    ['/%2e%2E/etc/passwd', 'path'],
    ['/a/./b', 'path'],
    ['/index.html', 'path'],
    ['/a/index.html', 'path'],
    ['/%', 'path'],
    ['*', 'path'],
    ['http://other/', 'path'],
    [`/${'a/'.repeat(2000)}`, 'path'],
    ['/?a=%ff', 'query'],
    ['/?x=1', 'query'],
  ])('refuses %s', (url, refused) => {
    expect(key(url)).toEqual({ refused })
  })

  it('keeps no page of a host that is not listed, and one directory for each of several', () => {
    const hosts = ['www.example.org', 'b.example.org']
    expect(key('/', { hosts }, { host: 'evil.example' })).toEqual({ refused: 'host' })
    expect(key('/', { hosts }, { host: 'B.example.org:8080' })).toMatchObject({ key: 'b.example.org/index.html' })
    expect(key('/', { hosts: ['www.example.org'] })).toMatchObject({ key: 'index.html' })
    expect(key('/', { hosts: ['localhost:1'] }, { host: 'localhost:2' })).toEqual({ refused: 'host' })
  })

  it('takes named parameters in the order of their names, and hides those that make no difference from the site', () => {
    const options = { query: ['page', 'q'], ignoredQuery: ['utm_*'] }
    expect(key('/s/?q=x&utm_source=y&page=2', options)).toMatchObject({
      key: 's/index.html@page=2,q=x',
      page: 's/index.html',
      url: '/s/?page=2&q=x',
    })
    expect(key('/s/?page=2&q=x&other=1', options)).toEqual({ refused: 'query' })
    expect(key('/s/?q=a%2Cb%3D%40', options)).toMatchObject({ key: 's/index.html@q=a%2cb%3d%40' })
    expect(key('/s/?q=1&q=2', options)).not.toEqual(key('/s/?q=2&q=1', options))
  })

  it('passes requests with cookies that are not named', () => {
    const options = { cookies: ['lang'], ignoredCookies: ['_ga*'] }
    expect(key('/', options, { cookie: '_ga=1; lang=de; _ga_X=2' })).toMatchObject({ key: 'index.html@cookie.lang=de' })
    expect(key('/', options, { cookie: 'lang=de; session=1' })).toEqual({ refused: 'cookie' })
    expect(key('/', { ignoredCookies: 'all' }, { cookie: 'session=1' })).toMatchObject({ key: 'index.html' })
  })

  it('asks a key of the site itself', () => {
    expect(key('/x', { key: (path) => `own${path}.html` })).toMatchObject({ key: 'own/x.html' })
    expect(key('/x', { key: () => undefined })).toEqual({ refused: 'path' })
    expect(key('/x', { key: () => '../x' })).toEqual({ refused: 'path' })
  })

  it('makes of any URL a key that can be used, or none', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('..', '.', '%2e', '%2f', '@', '~', '*', '\\', '%00', 'a'.repeat(300)),
    )
    fc.assert(
      fc.property(fc.array(piece), fc.string(), (path, query) => {
        const read = key(`/${path.join('/')}?${query}`, { query: 'all' })
        if (!('refused' in read)) expect(keyProblem(read.key)).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })

  it('writes a part of a path as a route writes a value', () => {
    const part = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'Z', '0', '.', '-', '_', '+', '@', ',', '=', 'é') }),
      fc.constantFrom('.a', 'a'.repeat(100), `${'a'.repeat(99)}.b`, `${'a'.repeat(98)}.b`, 'a\n', 'ſ'),
    )
    fc.assert(
      fc.property(part, (value) => {
        fc.pre(!['', '.', '..', 'index.html'].includes(value))
        const written = encodeValue(value, { separators: '@=,', escapesUpperCase: false })
        expect(key(`/${encodeURIComponent(value)}/`)).toMatchObject({ key: `${cutSegment(written)}/index.html` })
      }),
      { numRuns: 1000 },
    )
  })

  it('makes different keys of paths that differ', () => {
    const segment = fc.string({ unit: fc.constantFrom('a', '.', '@', '/', '~', '%', 'é', '=', 'x.y') })
    fc.assert(
      fc.property(fc.array(segment), fc.array(segment), (one, other) => {
        const paths = [one, other].map((parts) => `/${parts.map(encodeURIComponent).join('/')}`)
        const [first, second] = paths.map((path) => key(path))
        if (first === undefined || second === undefined || 'refused' in first || 'refused' in second) return
        expect(first.key === second.key).toBe(paths[0] === paths[1])
      }),
      { numRuns: 2000 },
    )
  })
})
