import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { runCli } from './run-cli.js'

let postgres: PostgresServer
let cwd: string
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres?.stop())

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'pagekeep-init-'))
  const database = await postgres.createDatabase()
  env = { DATABASE_URL: database }
  await query(
    database,
    `CREATE TABLE categories (id serial PRIMARY KEY, name text);
     CREATE TABLE products (id serial PRIMARY KEY, category_id integer REFERENCES categories, name text, data json);
     CREATE TABLE parts (product_id integer REFERENCES products, number integer, PRIMARY KEY (product_id, number));
     CREATE SCHEMA "odd.one"; CREATE TABLE "odd.one"."It's" (id integer PRIMARY KEY);
     CREATE TABLE log (line text);`,
  )
})

afterEach(() => rm(cwd, { recursive: true, force: true }))

const pagekeep = (...args: string[]) => runCli(args, { cwd, env })

describe('init', () => {
  it.each(['pagekeep.config.ts', 'pagekeep.config.json'])(
    'writes a %s that can be installed as it is',
    async (output) => {
      const written = await pagekeep('init', '--output', output)
      expect(written.stderr).toBe('log has no primary key and is left out: write its rule by hand.\n')
      expect(written.code).toBe(0)
      const installed = await pagekeep('install', '--yes')
      expect(installed.stderr).toContain('triggers on products')
      expect(installed.code).toBe(0)
      const rows = await query(
        env.DATABASE_URL ?? '',
        "INSERT INTO categories VALUES (7, 'tea'); INSERT INTO products VALUES (1, 7, 'green'); SELECT selector FROM pagekeep.feed ORDER BY id",
      )
      expect(rows.map(({ selector }) => selector)).toEqual(
        expect.arrayContaining([
          'categories/7.html',
          'categories-list/page-*.html',
          'products/1.html',
          'products-list/page-*.html',
        ]),
      )
      const selectors = rows.map(({ selector }) => selector)
      // A product that comes makes the page of its category old as well.
      expect(selectors.filter((selector) => selector === 'categories/7.html')).toHaveLength(2)
    },
  )

  it('takes the tables that are named, and says the nearest of one that is not there', async () => {
    expect((await pagekeep('init', '--tables', 'categories, prodcts')).stderr).toContain(
      'There is no table "prodcts" (did you mean "products"?)',
    )
    expect(existsSync(join(cwd, 'pagekeep.config.mjs'))).toBe(false)
    const { stdout } = await pagekeep('init', '--tables', 'categories', '--json')
    expect(JSON.parse(stdout)).toEqual({
      written: 'pagekeep.config.mjs',
      routes: ['categories/{id}.html', 'categories-list/page-{page}.html'],
      rules: ['categories'],
    })
    const config = await readFile(join(cwd, 'pagekeep.config.mjs'), 'utf8')
    expect(config).toMatch(/unwatched: \[.*'log'/)
    expect(config).toContain("'parts', 'products'],")
  })

  it('leaves a config alone that is there', async () => {
    await writeFile(join(cwd, 'tsconfig.json'), '{}')
    await writeFile(join(cwd, 'pagekeep.config.ts'), 'export default {}')
    const { code, stderr } = await pagekeep('init')
    expect({ code, advice: stderr.includes('--force') }).toEqual({ code: 2, advice: true })
    expect(await readFile(join(cwd, 'pagekeep.config.ts'), 'utf8')).toBe('export default {}')
  })
})
