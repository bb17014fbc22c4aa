import { route } from 'pagekeep'
import {
  type Evictable,
  PostgresInvalidator,
  type PostgresInvalidatorOptions,
  rule,
} from 'pagekeep/invalidators/postgres'
import { describe, expect, test } from 'vitest'
import { RecordingTarget } from './recording-target.js'

const page = route('ports/{category}/{name}')
const queue = { table: 'q', columns: ['category', 'name'], nullableColumns: ['note'] } as const

describe('rule()', () => {
  test('types a row by the columns that are named', () => {
    rule({
      channel: 'c',
      queue,
      evict(row) {
        const note: string | null = row.note
        // @ts-expect-error: no such column is read
        void row.port
        // @ts-expect-error: it may be NULL
        page.pattern({ category: row.note })
        return [page.pattern({ category: row.category, name: row.name }), { tag: note ?? 'none' }]
      },
    })
    // @ts-expect-error: texts may be misspelt
    rule({ channel: 'c', evict: () => 'ports/devel/**' })
    // @ts-expect-error: nor in a list
    rule({ channel: 'c', evict: () => [page.pattern(), 'ports/devel'] })
    // @ts-expect-error: a rule answers at once
    rule({ channel: 'c', evict: async () => page.pattern() })
  })

  test.each<[string, unknown, string]>([
    ['a text', 'ports/devel/**', 'got the text "ports/devel/**" (routes make patterns, texts may be misspelt)'],
    ['a key', page.key({ category: 'devel', name: 'x' }), 'got the text "ports/devel/x"'],
    ['a text in a list', [page.pattern(), ['x']], 'got the text "x"'],
    ['nothing', undefined, 'got undefined'],
    ['a promise', Promise.resolve(), 'got a promise (evict must answer at once)'],
    ['a pattern of no route', { pattern: 'x/**' }, 'got an object with pattern'],
    ['a tag that cannot be one', { tag: '' }, 'it is empty'],
  ])('refuses %s', (_, answer, reason) => {
    const made = rule({ channel: 'c', evict: () => answer as Evictable })
    expect(() => made.selectorsOf({})).toThrow(reason)
  })

  test('takes no look-alike of a pattern, neither when compiled nor when run', () => {
    // @ts-expect-error a text written by hand is no pattern of a route
    const made = rule({ channel: 'c', evict: () => ({ pattern: 'prots/**' }) })
    expect(() => made.selectorsOf({})).toThrow('route.pattern')
  })

  test('takes patterns of the other build of the package', () => {
    class RoutePattern {
      readonly pattern = 'ports/*'
    }
    const made = rule({ channel: 'c', evict: () => new RoutePattern() as unknown as Evictable })
    expect(made.selectorsOf({}).toTexts()).toEqual(['ports/*'])
  })

  test('says which row of which table it cannot apply', () => {
    const made = rule({ channel: 'c', queue, evict: (row) => page.pattern({ category: row.category }) })
    expect(() => made.selectorsOf({ category: 'x', name: null, note: null }, '7')).toThrow(
      'The rule of the channel "c" cannot apply the row 7 of q: its column "name" is NULL; delete or mend the row.',
    )
  })

  test.each<[string, object, string]>([
    ['no channel', { channel: '', evict: () => [] }, 'Expected channel to be a name of 1 to 63 bytes, got ""'],
    ['too long a channel', { channel: 'x'.repeat(64), evict: () => [] }, '1 to 63 bytes'],
    ['no evict', { channel: 'c' }, 'Expected evict of the channel "c" to be a function, got undefined'],
    ['no columns', { channel: 'c', queue: { table: 'q', columns: [] }, evict: () => [] }, 'Expected columns of q'],
    ['a name that is none', { channel: 'c', queue: { table: 'a.b.c', columns: ['x'] }, evict: () => [] }, 'table'],
  ])('throws a TypeError for %s', (_, options, message) => {
    const make = () => rule(options as Parameters<typeof rule>[0])
    expect(make).toThrow(TypeError)
    expect(make).toThrow(message)
  })
})

describe('new PostgresInvalidator()', () => {
  const good = {
    connection: 'postgres://localhost',
    target: new RecordingTarget(),
    rules: [rule({ channel: 'c', evict: () => [] })],
  }
  const twice = [1, 2].map((n) => rule({ channel: `c${n}`, queue: { table: 'q', columns: ['x'] }, evict: () => [] }))

  test.each<[string, object, string]>([
    ['no target', { target: {} }, 'Expected target to have evict()'],
    ['no rules', { rules: [] }, 'at least one'],
    ['rules not made by rule()', { rules: [{ channel: 'c', evict: () => [] }] }, 'what rule() makes'],
    ['two rules for one queue', { rules: twice }, 'got two for "q"'],
    ['no connection', { connection: undefined }, 'Expected connection'],
    ['an interval of nothing', { sweepIntervalMs: 0 }, 'Expected sweepIntervalMs to be a positive integer, got 0'],
  ])('refuses %s', (_, options, message) => {
    expect(() => new PostgresInvalidator({ ...good, ...options } as PostgresInvalidatorOptions)).toThrow(message)
  })
})
