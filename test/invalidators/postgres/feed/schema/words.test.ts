/** What can be said wrong about a rule is said at once, with the nearest right word. */
import { route } from 'pagekeep'
import { bridge, evictRoute, evictTag, FeedSchema, watch } from 'pagekeep/invalidators/postgres'
import { describe, expect, it } from 'vitest'

const page = route('products/{category}/{name}')
const entry = evictRoute(page, { category: 'category' })

describe('evictRoute()', () => {
  it('refuses an unknown parameter, in types too, and names the nearest', () => {
    // @ts-expect-error There is no such parameter.
    expect(() => evictRoute(page, { categroy: 'category' })).toThrow(
      /no parameter "categroy" \(did you mean "category"\?\)/,
    )
  })
  it.each([
    ['a text', () => evictRoute('products/{x}' as never)],
    ['an empty column', () => evictRoute(page, { name: '' })],
    ['a column that is a number', () => evictRoute(page, { name: 5 as never })],
    ['characters that SQL counts otherwise', () => evictRoute(route('😀/{x}'))],
  ])('refuses %s', (_, make) => expect(make).toThrow(TypeError))
})

describe('evictTag()', () => {
  it.each([
    ['an empty one', () => evictTag(''), 'tag-invalid'],
    ['a line break', () => evictTag('a\n{id}'), 'tag-invalid'],
    ['an open brace', () => evictTag('product:{id'), 'brace'],
    ['an option it does not know', () => evictTag('a', { al: 'x' } as never), 'no option "al"'],
    ['what is no text', () => evictTag(5 as never), 'Expected a tag'],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(
      expect.objectContaining(
        message === 'tag-invalid' ? { code: message } : { message: expect.stringContaining(message) },
      ),
    )
  })
})

describe('watch() and bridge()', () => {
  it.each([
    [
      'a misspelt option',
      () => watch({ table: 't', colums: ['a'], evicts: [entry] } as never),
      '(did you mean "columns"?)',
    ],
    ['no evicts', () => watch({ table: 't', columns: ['a'], evicts: [] }), 'evicts of t'],
    [
      'evicts written by hand',
      () => watch({ table: 't', columns: ['a'], evicts: [{ tag: 'x' } as never] }),
      'evictRoute() and',
    ],
    ['nothing to watch', () => watch({ table: 't', columns: [], evicts: [evictTag('x')] }), 'no column of t'],
    ['a column without a name', () => watch({ table: 't', columns: [''], evicts: [entry] }), "column's name"],
    ['a table that is none', () => watch({ table: 'a.b.c', columns: ['x'], evicts: [entry] }), 'table'],
    ['a limit of none', () => watch({ table: 't', columns: ['x'], evicts: [entry], maxSelectors: 0 }), 'maxSelectors'],
    ['other rows', () => bridge({ table: 't', evicts: [entry], rows: 'drop' as never }), "'delete' or 'keep'"],
    [
      'columns of a bridge',
      () => bridge({ table: 't', evicts: [entry], columns: ['x'] } as never),
      'no option "columns"',
    ],
  ])('refuse %s', (_, make, message) => expect(make).toThrow(message))
})

describe('FeedSchema', () => {
  it.each([
    ['rules that are none', () => new FeedSchema({ rules: [{}] as never }), 'rules'],
    ['a schema without a name', () => new FeedSchema({ schema: '' }), 'schema'],
    ['a schema of the system', () => new FeedSchema({ schema: 'pg_feed' }), 'pg_'],
    ['a name too long for a channel', () => new FeedSchema({ schema: 'ä'.repeat(32) }), '63 bytes'],
    ['notify that is no truth', () => new FeedSchema({ notify: 1 as never }), 'notify'],
    [
      'two bridges of a table',
      () =>
        new FeedSchema({ rules: [bridge({ table: 't', evicts: [entry] }), bridge({ table: 't', evicts: [entry] })] }),
      'two bridges',
    ],
    ['a role without a name', () => new FeedSchema().roleSql({ listener: '' }), 'role'],
  ])('refuses %s', (_, make, message) => expect(make).toThrow(message))
})
