import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errorCodes, isPagekeepError, PagekeepError } from 'pagekeep'
import { describe, expect, it } from 'vitest'

describe('docs/errors.md', () => {
  it('explains every error code, in order, and no other', () => {
    const text = readFileSync(path.resolve(import.meta.dirname, '../docs/errors.md'), 'utf8')
    const codes = [...text.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code)
    expect(codes).toEqual([...errorCodes])
  })
})

describe('isPagekeepError()', () => {
  it('recognises errors by brand and code', () => {
    const error = new PagekeepError('store-failed', 'disk full', {
      key: 'a',
      store: 'disk',
      cause: new Error('ENOSPC'),
    })
    expect(isPagekeepError(error)).toBe(true)
    expect(isPagekeepError(error, 'store-failed')).toBe(true)
    expect(isPagekeepError(error, 'closed')).toBe(false)
    expect(error).toMatchObject({ name: 'PagekeepError', key: 'a', store: 'disk' })
    expect((error.cause as Error).message).toBe('ENOSPC')
  })

  it.each([undefined, null, 5, 'text', {}, new Error('other')])('does not take %j for one', (value) => {
    expect(isPagekeepError(value)).toBe(false)
  })
})
