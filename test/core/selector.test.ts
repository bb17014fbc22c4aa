import fc from 'fast-check'
import { isPagekeepError, keyProblem, parseSelector } from 'pagekeep'
import { describe, expect, it } from 'vitest'
import type { PatternSelector } from '../../src/core/selector.js'

const pattern = (text: string) => parseSelector(text) as PatternSelector

describe('parseSelector()', () => {
  it('tells keys, subtrees, patterns and tags apart', () => {
    expect(parseSelector('a/b.html')).toMatchObject({ kind: 'key', key: 'a/b.html' })
    expect(parseSelector('a/b/**')).toMatchObject({ kind: 'pattern', directory: 'a/b', isSubtree: true })
    expect(parseSelector('**')).toMatchObject({ kind: 'pattern', directory: '', isSubtree: true })
    expect(parseSelector('a/b.*')).toMatchObject({ kind: 'pattern', directory: 'a', isSubtree: false })
    expect(parseSelector('a/*/c/**')).toMatchObject({ kind: 'pattern', directory: 'a', isSubtree: false })
    expect(parseSelector({ tag: 'port:1' })).toMatchObject({ kind: 'tag', tag: 'port:1', text: 'tag:port:1' })
  })

  it.each(['', '/a', '../a', 'a/../*', 'a//*', 'a/**/b', 'a**', '**/*', '.a/*', 'a/.*', '\u0000*'])(
    'refuses %j',
    (text) => {
      expect(() => parseSelector(text)).toThrow(expect.toSatisfy((error) => isPagekeepError(error, 'selector-invalid')))
    },
  )

  it.each([5, null, undefined, {}, { pattern: 5 }])('refuses %j', (input) => {
    expect(() => parseSelector(input as never)).toThrow('selector')
  })

  it.each(['', 'line\nbreak', 'tab\there', 'x'.repeat(501), '\ud800'])('refuses the tag %j', (tag) => {
    expect(() => parseSelector({ tag })).toThrow(expect.toSatisfy((error) => isPagekeepError(error, 'tag-invalid')))
  })
})

describe('matches()', () => {
  it.each([
    ['daily/2020/**', 'daily/2020/01/08.daily.head', true],
    ['daily/2020/**', 'daily/2020', false],
    ['daily/2020/**', 'daily/20201/x', false],
    ['daily/2020/01/08.*', 'daily/2020/01/08.daily.head', true],
    ['daily/2020/01/08.*', 'daily/2020/01/08', false],
    ['daily/2020/01/08.*', 'daily/2020/01/08.a/b', false],
    ['a/*', 'a/b', true],
    ['a/*', 'a/b/c', false],
    ['a/*/c', 'a/b/c', true],
    ['a/*/**', 'a/b', false],
    ['a/*/**', 'a/b/c/d', true],
    ['**', 'a', true],
    ['*', 'a', true],
    ['*', 'a/b', false],
    ['a.b*', 'axbc', false],
    ['a*c*e', 'abcde', true],
    ['a/*', 'a/long~/er', true],
    ['a/*', 'a/long~/er/x', false],
  ])('%j with %j: %j', (text, key, expected) => expect(pattern(text).matches(key)).toBe(expected))

  it('agrees with a plain reading of the rules', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', 'a.b')
    const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'))
    const wild = fc.array(fc.constantFrom('a', 'b', 'ab', '*', 'a*', '*b'), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(wild, fc.boolean(), key, (segments, isDeep, actual) => {
        const text = [...segments, ...(isDeep ? ['**'] : [])].join('/')
        if (!text.includes('*')) return
        const plain = segments.map((part) => part.replaceAll('.', '\\.').replaceAll('*', '[^/]*')).join('/')
        const expected = new RegExp(`^${plain}${isDeep ? '/.+' : ''}$`).test(actual)
        expect(pattern(text).matches(actual)).toBe(expected)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('what is read in one look', () => {
  const piece = fc.string({ unit: fc.constantFrom(...'aB1.*/-~% äß😀'), maxLength: 8 })

  it('is refused and taken as segment by segment', () => {
    fc.assert(
      fc.property(piece, (text) => {
        const segments = text.endsWith('/**') ? text.slice(0, -3).split('/') : text === '**' ? [] : text.split('/')
        const isGood = segments.every(
          (segment) => !segment.includes('**') && keyProblem(segment.replaceAll('*', 'x')) === undefined,
        )
        let isTaken = true
        try {
          parseSelector(text)
        } catch {
          isTaken = false
        }
        expect([text, isTaken]).toEqual([text, isGood])
      }),
      { numRuns: 5000 },
    )
  })

  it('matches with one star what its expression matches', () => {
    const wild = fc.tuple(piece, piece).map(([before, after]) => `${before}*${after}`.replaceAll('/', ''))
    fc.assert(
      fc.property(wild, piece, fc.boolean(), (segment, other, isNear) => {
        if (/\*.*\*|^\./.test(segment)) return
        const actual = isNear ? segment.replace('*', other) : other
        if (keyProblem(actual) !== undefined || actual.includes('/') || /~$/.test(segment)) return
        const source = segment.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
        expect(pattern(segment).matches(actual)).toBe(new RegExp(`^${source.join('[^/]*')}$`, 'su').test(actual))
      }),
      { numRuns: 5000 },
    )
  })
})

describe('mayReachInto()', () => {
  it('is true for every directory on the way to a key that matches', () => {
    const piece = fc.constantFrom('a', 'b', 'a~', 'b~', 'ab')
    const key = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => [...pieces, 'end'].join('/'))
    const wild = fc.array(fc.constantFrom('a', '*', 'a*', '*b', '*end'), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(wild, fc.boolean(), key, (segments, isDeep, actual) => {
        const text = [...segments, ...(isDeep ? ['**'] : [])].join('/')
        if (!text.includes('*') || keyProblem(actual) !== undefined || !pattern(text).matches(actual)) return
        const way = actual.split('/').slice(0, -1)
        for (let depth = 0; depth <= way.length; depth++) {
          expect(pattern(text).mayReachInto(way.slice(0, depth).join('/'))).toBe(true)
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('spares directories that cannot hold a match', () => {
    expect(pattern('a/*/c').mayReachInto('b')).toBe(false)
    expect(pattern('a/*').mayReachInto('a/b')).toBe(false)
    expect(pattern('a/*').mayReachInto('a/b~')).toBe(true)
    expect(pattern('a/*/**').mayReachInto('a/b/c')).toBe(true)
  })
})
