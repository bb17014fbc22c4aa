/** The small parts: names of tables, near names, sets of selectors, waiting times, rows set aside. */
import { PagekeepError } from 'pagekeep'
import { FakeClock } from 'pagekeep/testing'
import { describe, expect, test } from 'vitest'
import { Alarm } from '../../../src/invalidators/postgres/alarm.js'
import { backoffMs, jitteredBackoffMs } from '../../../src/invalidators/postgres/backoff.js'
import { connectFailure, statementFailure } from '../../../src/invalidators/postgres/database-errors.js'
import { nearestName } from '../../../src/invalidators/postgres/nearest-name.js'
import { SelectorSet } from '../../../src/invalidators/postgres/selector-set.js'
import { maxSetAside, SetAside } from '../../../src/invalidators/postgres/set-aside.js'
import { readTableName } from '../../../src/invalidators/postgres/table-name.js'

describe('readTableName()', () => {
  test.each([
    ['queue', '"queue"', 'queue'],
    ['Queue', '"Queue"', 'Queue'],
    ['site.queue', '"site"."queue"', 'queue'],
    ['"a.b"."c""d"', '"a.b"."c""d"', 'c"d'],
    ['queue; DROP TABLE x', '"queue; DROP TABLE x"', 'queue; DROP TABLE x'],
  ])('reads %s', (written, sql, name) => {
    expect(readTableName(written)).toEqual({ written, sql, name })
  })

  test.each(['', 'a.b.c', '.a', 'a.', '"a', 'a"b', undefined])('refuses %j', (written) => {
    expect(() => readTableName(written as string)).toThrow(TypeError)
  })
})

describe('nearestName()', () => {
  test.each([
    ['date_to_clera', ['id', 'date_to_clear'], 'date_to_clear'],
    ['vuxlm', ['news', 'vuxml'], 'vuxml'],
    ['PORTS', ['ports'], 'ports'],
    ['ports', ['dates', 'commits'], undefined],
    ['x', [], undefined],
  ])('of %s among %j', (wrong, names, nearest) => {
    expect(nearestName(wrong, names)).toBe(nearest)
  })
})

describe('SelectorSet', () => {
  test('holds each selector once, and does not take a key for a tag', () => {
    const set = new SelectorSet(['a', 'a', { tag: 'a' }, { tag: 'a' }, 'tag:a'])
    expect(set.toTexts()).toEqual(['a', 'tag:a', 'tag:a'])
    expect([...SelectorSet.fromJson(set.toJson())]).toEqual(['a', { tag: 'a' }, 'tag:a'])
  })

  test.each<[string, ConstructorParameters<typeof SelectorSet>[0], string[]]>([
    ['few enough', ['a/b', 'a/c'], ['a/b', 'a/c']],
    ['subtrees of the first segments', ['a/b', 'a/c', 'd/e'], ['a/**', 'd/**']],
    ['everything, when that is not few enough', ['a/b', 'c/d', 'e/f'], ['**']],
    ['everything, for a tag', ['a/b', 'a/c', { tag: 't' }], ['**']],
    ['everything, for a first segment that is a pattern', ['a/b', 'a/c', '*/x'], ['**']],
  ])('collapsed() gives %s', (_, selectors, expected) => {
    expect(new SelectorSet(selectors).collapsed(2).toTexts()).toEqual(expected)
  })
})

test('backoffMs() doubles up to its limit; with jitter it is anything below', () => {
  const options = { minMs: 100, maxMs: 30_000 }
  expect([1, 2, 3, 9, 10, 5000].map((attempts) => backoffMs(attempts, options))).toEqual([
    100, 200, 400, 25_600, 30_000, 30_000,
  ])
  expect(jitteredBackoffMs(3, options)).toBeLessThan(400)
})

describe('Alarm', () => {
  test('sleeps for its time, or until it rings, and keeps a ring that nobody heard', async () => {
    const clock = new FakeClock()
    const alarm = new Alarm(clock)
    const timed = alarm.sleep(100)
    clock.advance(100)
    await timed
    const rung = alarm.sleep(Number.POSITIVE_INFINITY)
    alarm.ring()
    await rung
    alarm.ring()
    await alarm.sleep(Number.POSITIVE_INFINITY)
    expect(clock.timers).toBe(0)
  })
})

describe('SetAside', () => {
  const error = new PagekeepError('rule-failed', 'x')

  test('retries after 1 s, doubling to its limit, the earliest first', () => {
    const rows = new SetAside({ minMs: 1000, maxMs: 4000 })
    expect([0, 1000, 3000, 7000].map((nowMs) => rows.add('a', error, nowMs).retryAtMs)).toEqual([
      1000, 3000, 7000, 11_000,
    ])
    rows.add('b', error, 7500)
    expect(rows.next()?.id).toBe('b')
    rows.forget('b')
    expect(rows.ids()).toEqual(['a'])
  })

  test('is full at its limit', () => {
    const rows = new SetAside({ minMs: 1, maxMs: 1 })
    for (let n = 0; n < maxSetAside; n++) rows.add(String(n), error, 0)
    expect(rows.isFull).toBe(true)
  })
})

describe('errors of the database', () => {
  const place = { host: 'db', port: 5432, database: 'site', user: 'www' }

  test.each([
    ['28P01', 'database-refused'],
    ['28000', 'database-refused'],
    ['3D000', 'database-refused'],
    ['ECONNREFUSED', 'database-unreachable'],
    ['57P03', 'database-unreachable'],
    ['53300', 'database-unreachable'],
  ])('connecting, %s is %s', (code, expected) => {
    expect(connectFailure(Object.assign(new Error('no'), { code }), place)).toMatchObject({ code: expected })
  })

  test.each([
    ['42501', 'database-lacks'],
    ['42P01', 'database-lacks'],
    ['55P03', 'database-unreachable'],
  ])('in a statement, %s is %s', (code, expected) => {
    expect(statementFailure(Object.assign(new Error('no'), { code }), 'testing')).toMatchObject({ code: expected })
  })
})
