import path from 'node:path'
import fc from 'fast-check'
import { isPagekeepError, keyProblem } from 'pagekeep'
import { describe, expect, it } from 'vitest'
import { checkKey, maxKeyBytes } from '../../src/core/key.js'

describe('keyProblem()', () => {
  it.each(['a', 'daily/2020/01/08.daily.head', 'ports/devel/py-x/index.html', 'a~b', 'ü/日本', 'x'.repeat(240)])(
    'finds nothing wrong with %j',
    (key) => expect(keyProblem(key)).toBeUndefined(),
  )

  it.each([
    ['', 'empty'],
    ['/etc/passwd', 'relative'],
    ['a//b', 'empty segment'],
    ['a/', 'empty segment'],
    ['..', 'starts with a dot'],
    ['a/../b', 'starts with a dot'],
    ['.pagekeep/state', 'starts with a dot'],
    ['nul\u0000', 'U+0000'],
    ['line\nbreak', 'U+000A'],
    ['back\\slash', '"\\"'],
    ['a*b', '"*"'],
    ['x'.repeat(241), '241 bytes long; the limit is 240'],
    ['日'.repeat(81), '243 bytes long'],
    [`${'x/'.repeat(maxKeyBytes)}x`, 'limit is 3000'],
    ['\ud800', 'well-formed'],
  ])('says what is wrong with %j', (key, words) => expect(keyProblem(key)).toContain(words))

  it.each([undefined, null, 5, {}])('says that %j is no string', (key) => {
    expect(keyProblem(key)).toContain('not a string')
  })

  it('accepts no key that leaves its root', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a./\\~*]{1,12}$/)), (key) => {
        if (keyProblem(key) !== undefined) return
        const place = path.resolve('/cache', key)
        expect(place.startsWith('/cache/')).toBe(true)
        expect(path.relative('/cache', place)).toBe(key)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('checkKey()', () => {
  it('throws key-invalid, which says what to do', () => {
    try {
      checkKey('../escape')
      expect.unreachable()
    } catch (error) {
      expect(isPagekeepError(error, 'key-invalid')).toBe(true)
      expect(String(error)).toContain('route()')
    }
  })
})
