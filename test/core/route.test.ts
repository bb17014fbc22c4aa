import fc from 'fast-check'
import { isPagekeepError, keyProblem, parseSelector, route } from 'pagekeep'
import { describe, expect, expectTypeOf, it } from 'vitest'

const day = route('daily/{date:YYYY/MM/DD}.daily.{branch}')
const port = route('ports/{category}/{name}/{page}.html')
const parts = route('Detail.{part}.{branch}.PageSize{size}')

// Values that have broken path encodings before, and values of any kind and length.
const hostile = fc.constantFrom(
  '..',
  '.',
  '',
  '/',
  'a/b',
  '%',
  '%2f',
  '~',
  '~e',
  'a~/b',
  '*',
  '\u0000',
  'a.b',
  'A',
  'a',
  '.hidden',
  'end.',
)
const anyText = fc.oneof(hostile, fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary', maxLength: 400 }))
const value = anyText.filter((text) => text.isWellFormed())
const longValue = fc.stringMatching(/^[a-z.~/%A]{150,600}$/)

describe('route()', () => {
  it('types its parameters from the template', () => {
    expectTypeOf(day.key)
      .parameter(0)
      .toEqualTypeOf<{ readonly date: string; readonly branch: string | number | bigint }>()
    expectTypeOf(day.read).returns.toEqualTypeOf<{ readonly date: string; readonly branch: string } | undefined>()
    // @ts-expect-error a parameter is missing
    expect(() => day.key({ date: '2020-01-08' })).toThrow('expected the parameters date, branch, got date')
    // @ts-expect-error a parameter is misspelt
    expect(() => day.key({ date: '2020-01-08', brunch: 'head' })).toThrow('no parameter "brunch"')
    // @ts-expect-error a day is written as text
    expect(() => day.key({ date: new Date(0), branch: 'head' })).toThrow('a Date is an instant')
    // @ts-expect-error patterns know the same names
    expect(() => day.pattern({ dates: '2020-01-08' })).toThrow('no parameter "dates"')
    // @ts-expect-error a value is a text or a number
    expect(() => port.key({ category: {}, name: 'x', page: 'index' })).toThrow('a text or a number')
  })

  it.each([
    ['a/{b', 'may not stand'],
    ['a/{b}{c}', 'nothing between them'],
    ['a/{b}/{b}', 'twice'],
    ['a/{b c}', '"{b c}"'],
    ['/a/{b}', 'relative'],
    ['a//{b}', 'empty segment'],
    ['.a/{b}', 'dot'],
    ['a*/{b}', '"*"'],
    ['a%20/{b}', '"%"'],
    ['{d:YYYY/MM}', 'each once'],
    ['{a}b{c}', 'hexadecimal digit'],
  ])('refuses the template %j', (template, words) => {
    try {
      route(template)
      expect.unreachable()
    } catch (error) {
      expect(isPagekeepError(error, 'route-invalid')).toBe(true)
      expect(String(error)).toContain(words)
    }
  })
})

describe('key()', () => {
  it('writes the key that the template shows', () => {
    expect(day.key({ date: '2020-01-08', branch: 'head' })).toBe('daily/2020/01/08.daily.head')
    expect(port.key({ category: 'devel', name: 'py-setuptools', page: 'index' })).toBe(
      'ports/devel/py-setuptools/index.html',
    )
    expect(port.key({ category: 'devel', name: 'libsigc++', page: 2 })).toBe('ports/devel/libsigc++/2.html')
  })

  it.each(['2020-13-01', '2020-02-30', '20200108', '2020-1-8', 'today', ''])('refuses %j as a day', (date) => {
    expect(() => day.key({ date, branch: 'head' })).toThrow('expected date to be a day such as "2020-01-08"')
  })

  it('keeps apart values that differ in case only, when asked to', () => {
    const safe = route('{name}.html', { letterCase: 'escape' })
    fc.assert(
      fc.property(fc.stringMatching(/^[aAbB.]{1,6}$/), fc.stringMatching(/^[aAbB.]{1,6}$/), (one, other) => {
        const keys = [safe.key({ name: one }), safe.key({ name: other })].map((key) => key.toLowerCase())
        expect(keys[0] === keys[1]).toBe(one === other)
      }),
    )
  })

  it('refuses a value that makes the key too long', () => {
    expect(() => port.key({ category: 'x'.repeat(4000), name: 'y', page: 'z' })).toThrow('limit is 3000')
  })

  it('refuses a lone surrogate', () => {
    expect(() => port.key({ category: '\ud800', name: 'y', page: 'z' })).toThrow('well-formed')
  })
})

describe('read()', () => {
  it('gives back the parameters of any key the route made, and no such key is unusable', () => {
    fc.assert(
      fc.property(fc.oneof(value, longValue), fc.oneof(value, longValue), value, (category, name, page) => {
        const key = port.key({ category, name, page })
        expect(keyProblem(key)).toBeUndefined()
        expect(port.read(key)).toEqual({ category, name, page })
      }),
      { numRuns: 1000 },
    )
  })

  it('tells values of one segment apart, whatever they hold', () => {
    fc.assert(
      fc.property(value, fc.oneof(value, longValue), value, (part, branch, size) => {
        const key = parts.key({ part, branch, size })
        expect(keyProblem(key)).toBeUndefined()
        expect(parts.read(key)).toEqual({ part, branch, size })
      }),
      { numRuns: 1000 },
    )
  })

  it('reads days', () => {
    expect(day.read('daily/2020/01/08.daily.head')).toEqual({ date: '2020-01-08', branch: 'head' })
  })

  it.each([
    'daily/2020/13/08.daily.head',
    'daily/2020/01/08.weekly.head',
    'daily/2020/01/08',
    'news/index.html',
    'daily/2020/01/08.daily.%48ead',
  ])('knows that %j is no key of the route', (key) => expect(day.read(key)).toBeUndefined())
})

describe('pattern()', () => {
  it('leaves open what is left out', () => {
    expect(day.pattern({ date: '2020-01-08' }).pattern).toBe('daily/2020/01/08.daily.*')
    expect(day.pattern({ branch: 'head' }).pattern).toBe('daily/*/*/*.daily.head')
    expect(day.pattern().pattern).toBe('daily/*/*/*.daily.*')
    expect(String(port.pattern({ category: 'devel' }))).toBe('ports/devel/*/*.html')
    expect(port.pattern({ category: 'a', name: 'b', page: 'c' }).pattern).toBe('ports/a/b/c.html')
  })

  it('takes a month or a year for a day', () => {
    expect(day.pattern({ date: '2020-01' }).pattern).toBe('daily/2020/01/*.daily.*')
    expect(day.pattern({ date: '2020' }).pattern).toBe('daily/2020/*/*.daily.*')
    expect(() => day.key({ date: '2020-01', branch: 'head' })).toThrow('expected the parameters')
  })

  it('matches exactly the keys with the parameters that were given', () => {
    const some = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'a.b', '') },
      { weight: 1, arbitrary: fc.oneof(value, longValue) },
    )
    const given = fc.record({ part: some, branch: some, size: some }, { requiredKeys: [] })
    const full = fc.record({ part: some, branch: some, size: some })
    fc.assert(
      fc.property(given, full, (wanted, actual) => {
        const selector = parseSelector(parts.pattern(wanted))
        const key = parts.key(actual)
        const matches =
          selector.kind === 'pattern' ? selector.matches(key) : selector.kind === 'key' && selector.key === key
        const expected = Object.entries(wanted).every(([name, text]) => actual[name as keyof typeof actual] === text)
        expect(matches).toBe(expected)
      }),
      { numRuns: 3000 },
    )
  })
})
