/** Names of pages as SQL writes them and as TypeScript does: compared on the real server, thousands of texts a run. */
import fc from 'fast-check'
import { type Route, route } from 'pagekeep'
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cutSegment } from '../../../../../src/core/segment.js'
import { segmentsSql } from '../../../../../src/invalidators/postgres/feed/schema/002-segments.sql.js'
import { readSchemaName } from '../../../../../src/invalidators/postgres/feed/schema/quoting.js'
import {
  parametersOf,
  plainRouteSql,
  routeSql,
} from '../../../../../src/invalidators/postgres/feed/schema/route-sql.js'
import { connect, type PostgresServer, startPostgres } from '../../../../support/postgres.js'

const schema = readSchemaName('pagekeep')
let server: PostgresServer
let client: pg.Client

beforeAll(async () => {
  server = await startPostgres()
  const database = await server.createDatabase()
  await new FeedSchema().install(database)
  client = await connect(database)
})
afterAll(async () => {
  await client.end()
  await server.stop()
})

/** What SQL makes of many sets of parameters at once. */
async function inSql(of: Route, rows: readonly Record<string, string | null>[]): Promise<(string | null)[]> {
  const names = parametersOf(of).map(({ name }) => name)
  const bound = Object.fromEntries(names.map((name) => [name, `(row ->> '${name}')`]))
  const { rows: answer } = await client.query<{ key: string | null }>(
    `SELECT ${routeSql(schema, of, bound)} AS key FROM json_array_elements($1::json) WITH ORDINALITY AS r(row, n) ORDER BY n`,
    [JSON.stringify(rows)],
  )
  return answer.map(({ key }) => key)
}

/** The same in the cheap form, where that holds. */
async function inPlainSql(of: Route, rows: readonly Record<string, string | null>[]): Promise<(string | null)[]> {
  const bound = Object.fromEntries(parametersOf(of).map(({ name }) => [name, `(row ->> '${name}')`]))
  const plain = plainRouteSql(of, bound)
  if (plain === undefined) return rows.map(() => null)
  const { rows: answer } = await client.query<{ key: string | null }>(
    `SELECT CASE WHEN ${plain.holds('name')} THEN name END AS key
       FROM json_array_elements($1::json) WITH ORDINALITY AS r(row, n), LATERAL (SELECT ${plain.selector} AS name) AS named
      ORDER BY n`,
    [JSON.stringify(rows)],
  )
  return answer.map(({ key }) => key)
}

/** What TypeScript makes of one; a NULL is a parameter left out. */
function inTypeScript(of: Route, row: Record<string, string | null>): string {
  return of.pattern(Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as never).pattern
}

// What is special to the encoding, to expressions, to SQL and to paths, and what is not.
const characters = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...'abzAZ09-_.+@,=~%/*.\\\'" $&?^[](){}|:;<>#!`'.split('')) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 0x1f }).map((code) => String.fromCharCode(code)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('ä', 'ß', 'İ', 'ı', 'é', 'e\u0301', '中', '\u00a0', '\u200b', '\ufeff', '\u007f'),
  },
  { weight: 2, arbitrary: fc.constantFrom('😀', '👩‍👩‍👧', '\u{10000}', '\u{10ffff}') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 3 }).map((text) => text.replaceAll('\0', '')) },
)
const aroundLimits = fc
  .tuple(
    fc.constantFrom(48, 49, 50, 51, 98, 99, 100, 101, 102, 198, 199, 200, 201, 202, 399, 400, 401, 402),
    fc.constantFrom('a', 'A', '.', '%', 'ä', '😀', 'a.', '..a', '中.'),
    fc.string({ unit: characters, maxLength: 6 }),
    fc.string({ unit: characters, maxLength: 6 }),
  )
  .map(
    ([length, unit, before, after]) => before + unit.repeat(Math.ceil(length / unit.length)).slice(0, length) + after,
  )
  .filter((text) => text.isWellFormed())
const value = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: characters, maxLength: 30 }) },
  { weight: 2, arbitrary: fc.string({ unit: characters, minLength: 80, maxLength: 220 }) },
  { weight: 3, arbitrary: aroundLimits },
  { weight: 1, arbitrary: fc.constantFrom('', '.', '..', '...', '~e', '~', '%', '*', '/', '%2e') },
)

describe('a key in SQL is the key in TypeScript:', () => {
  it.each([
    route('{a}'),
    route('ports/{a}/{b}/index.html'),
    route('{a}.{b}'),
    route('x{a}-{b}.{c}_suffix'),
    route('{a}/x..{b}'),
    route('{a}^{b}'),
    route('{a}]{b}'),
    route('{a}/{b}', { letterCase: 'escape' }),
    route("it's/{a}/größe-{b}.html"),
  ] as Route[])('%s', async (of) => {
    const names = parametersOf(of).map(({ name }) => name)
    const parameters = fc.record(
      Object.fromEntries(names.map((name) => [name, fc.option(value, { freq: 12 })])) as Record<
        string,
        fc.Arbitrary<string | null>
      >,
    )
    await fc.assert(
      fc.asyncProperty(fc.array(parameters, { minLength: 100, maxLength: 200 }), async (rows) => {
        const found = await inSql(of, rows)
        for (const [index, row] of rows.entries()) expect(found[index]).toBe(inTypeScript(of, row))
        const plain = await inPlainSql(of, rows)
        for (const [index, row] of rows.entries()) expect(plain[index] ?? found[index]).toBe(inTypeScript(of, row))
      }),
      { numRuns: 10 },
    )
  })

  it('for days, whole and cut short', async () => {
    const day = route('daily/{date:YYYY/MM/DD}.daily.{branch}') as Route
    const us = route('{n}/{date:MM-DD-YYYY}') as Route
    const date = fc
      .date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true })
      .map((instant) => instant.toISOString().slice(0, 10))
    const written = fc.tuple(date, fc.constantFrom(10, 7, 4)).map(([text, length]) => text.slice(0, length))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ date: written, branch: value }), { maxLength: 200 }), async (rows) => {
        const found = await inSql(day, rows)
        for (const [index, row] of rows.entries()) expect(found[index]).toBe(inTypeScript(day, row))
        const others = rows.map((row) => ({ date: row.date, n: row.branch }))
        expect(await inSql(us, others)).toEqual(others.map((row) => inTypeScript(us, row)))
        const plain = await inPlainSql(day, rows)
        expect(plain.map((key, index) => key ?? found[index])).toEqual(found)
      }),
      { numRuns: 10 },
    )
  })

  it('for numbers, as PostgreSQL writes them', async () => {
    const of = route('n/{n}') as Route
    const expression = (type: string) => routeSql(schema, of, { n: `(x::${type}::text)` })
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer(), async (large, small) => {
        const { rows } = await client.query(
          `SELECT (SELECT ${expression('bigint')} FROM (SELECT $1::text) v(x)) AS large,
                  (SELECT ${expression('integer')} FROM (SELECT $2::text) v(x)) AS small,
                  (SELECT ${expression('numeric')} FROM (SELECT $1::text) v(x)) AS exact`,
          [String(large), String(small)],
        )
        expect(rows[0]).toEqual({
          large: of.key({ n: large }),
          small: of.key({ n: small }),
          exact: of.key({ n: large }),
        })
      }),
    )
    const { rows } = await client.query(`SELECT ${expression('numeric')} AS key FROM (VALUES ('1.50'), ('-0.1')) v(x)`)
    expect(rows.map(({ key }) => key)).toEqual([of.key({ n: '1.50' }), of.key({ n: -0.1 })])
  })

  it('for segments that are cut', async () => {
    const segment = fc.string({ unit: fc.constantFrom('a', '.', '%', '-', 'ä'), minLength: 150, maxLength: 900 })
    const many = fc.array(
      fc.oneof(
        segment,
        segment.map((text) => text.replaceAll(/[^.]{1,3}/g, '.')),
      ),
      { maxLength: 100 },
    )
    await fc.assert(
      fc.asyncProperty(many, async (segments) => {
        const { rows } = await client.query(
          'SELECT pagekeep.cut_segment(s) AS cut FROM unnest($1::text[]) WITH ORDINALITY AS u(s, n) ORDER BY n',
          [segments],
        )
        expect(rows.map(({ cut }) => cut)).toEqual(segments.map(cutSegment))
      }),
      { numRuns: 20 },
    )
  })
})

it('a day that cannot be one makes the pattern of all days', async () => {
  const day = route('daily/{date:YYYY/MM/DD}.html') as Route
  const odd = ['infinity', '12020-01-08', 'yesterday', '', '20-1-1', null]
  expect(
    await inSql(
      day,
      odd.map((date) => ({ date })),
    ),
  ).toEqual(odd.map(() => 'daily/*/*/*.html'))
  expect(await inSql(day, [{ date: '2020-01-08 23:59:59+00' }])).toEqual(['daily/2020/01/08.html'])
})

it('the cheap form of a key holds for what is usual, and for nothing else', async () => {
  const usual = [{ a: 'devel', b: 'py-x_1.0+2@3,4=5' }]
  expect(await inPlainSql(route('ports/{a}/{b}/index.html') as Route, usual)).toEqual([
    'ports/devel/py-x_1.0+2@3,4=5/index.html',
  ])
  const daily = route('daily/{date:YYYY/MM/DD}.daily.{branch}') as Route
  const of = (date: string | null, branch: string | null) => ({ date, branch })
  const rows = [of('2020-01-08', 'head'), of('2020-01-08 23:59:59', 'head'), of('2020x01x08', 'head'), of(null, 'head')]
  const whole = 'daily/2020/01/08.daily.head'
  expect(await inPlainSql(daily, rows)).toEqual([whole, whole, null, null])
  const one = route('{a}.html') as Route
  const odd = ['', '.x', 'a b', 'a/b', 'A%', 'ä', '*', '~', 'x'.repeat(101), null].map((a) => ({ a }))
  expect(await inPlainSql(one, odd)).toEqual(odd.map(() => null))
  expect(plainRouteSql(route('{a}-{b}') as Route, { a: 'x', b: 'y' })).toBeUndefined()
})

it('a key in SQL that counted characters, not UTF-16 units, would be another', async () => {
  const of = route('{a}') as Route
  const rows = [{ a: `${'😀'.repeat(60)}.html` }]
  const counting = 'units := units + '
  const [unusual = ''] = /CREATE FUNCTION \S+encode_unusual[\s\S]*?END \$unusual\$;/.exec(segmentsSql(schema)) ?? []
  expect(unusual).toContain(counting)
  const replace = (sql: string) => client.query(sql.replace('CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION'))
  await replace(unusual.replace(counting, 'units := units + 0 * '))
  expect(await inSql(of, rows)).not.toEqual(rows.map((row) => inTypeScript(of, row)))
  await replace(unusual)
  expect(await inSql(of, rows)).toEqual(rows.map((row) => inTypeScript(of, row)))
})
