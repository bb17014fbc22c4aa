/**
 * The newcomer's way, as docs/guide/command-line.md tells it: the package as `npm pack` makes it, a directory of its own,
 * five tables, `init`, `install`, `listen`, the site that the page shows, an UPDATE, another page.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { endAll } from '../support/end-all.js'
import { freePort } from '../support/free-port.js'
import { unpackInto } from '../support/packed.js'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { until } from '../support/until.js'
import { cleanEnvironment } from './run-cli.js'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '../..')
const guide = readFileSync(join(root, 'docs/guide/command-line.md'), 'utf8')
const [, program = ''] = /^```js\n([\s\S]*?)^```$/m.exec(guide) ?? []

const tables = `
  CREATE TABLE categories (id serial PRIMARY KEY, name text NOT NULL);
  CREATE TABLE products (id serial PRIMARY KEY, category_id int REFERENCES categories, name text NOT NULL, price int NOT NULL);
  CREATE TABLE reviews (id serial PRIMARY KEY, product_id int NOT NULL REFERENCES products, stars int NOT NULL);
  CREATE TABLE customers (id serial PRIMARY KEY, email text NOT NULL);
  CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers, product_id int REFERENCES products);
  INSERT INTO categories (name) VALUES ('drinks'), ('food');
  INSERT INTO products (category_id, name, price) VALUES (1, 'tea', 4), (1, 'coffee', 6), (2, 'bread', 3);`

let postgres: PostgresServer
let work: string
let cwd: string
const started: ChildProcess[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  work = await mkdtemp(join(tmpdir(), 'pagekeep-first-site-'))
  cwd = join(work, 'site')
  mkdirSync(join(cwd, 'node_modules'), { recursive: true })
  await unpackInto(join(cwd, 'node_modules/pagekeep'))
  // What `npm install` would fetch.
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const name of [...Object.keys(dependencies), 'pg'])
    symlinkSync(join(root, 'node_modules', name), join(cwd, 'node_modules', name), 'dir')
  await writeFile(join(cwd, 'package.json'), '{ "name": "site", "version": "1.0.0", "type": "commonjs" }')
}, 300_000)

afterAll(async () => {
  await endAll(started)
  await postgres?.stop()
  await rm(work, { recursive: true, force: true })
})

it('a newcomer has a kept page that goes when its row changes, by what the guide says', {
  timeout: 180_000,
}, async () => {
  const database = await postgres.createDatabase()
  await query(database, tables)
  const port = String(await freePort())
  const env = cleanEnvironment({ DATABASE_URL: database, PORT: port })
  const { bin } = JSON.parse(await readFile(join(cwd, 'node_modules/pagekeep/package.json'), 'utf8'))
  const main = join('node_modules/pagekeep', bin.pagekeep)
  const pagekeep = (...args: string[]) => execute(process.execPath, [main, ...args], { cwd, env })
  const start = (...args: string[]) => {
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    started.push(child)
    const told = { text: '' }
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        told.text += text
      })
    return told
  }

  const told = (await pagekeep('init')).stdout
  expect(told).toContain("from './pagekeep.config.mjs'")
  expect(program).toContain("from './pagekeep.config.mjs'")
  await pagekeep('install', '--yes')
  const listener = start(main, 'listen')
  await until('the listener is ready', () => listener.text.includes('ready'))
  await writeFile(join(cwd, 'site.mjs'), program)
  const site = start('site.mjs')
  const ask = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/1`)
    return `${answer.headers.get('x-cache')} ${await answer.text()}`
  }
  await until(`the site is up: ${site.text}`, () => ask().then(Boolean, () => false))
  await until('the page is kept', async () => (await ask()) === 'hit <h1>tea</h1><p>4\n')
  const file = join(cwd, 'cache/products/1.html')
  expect(await readFile(file, 'utf8')).toBe('<h1>tea</h1><p>4\n')

  await query(database, 'UPDATE products SET price = 5 WHERE id = 1')
  await until('the page has changed', async () => (await ask()).includes('<p>5'))
  expect(await ask()).toBe('hit <h1>tea</h1><p>5\n')
  expect((await pagekeep('why', 'products/1.html')).stdout).toContain('changed products')
  expect((await pagekeep('doctor')).stdout).toContain('0 failed')

  // Somebody asks for nonsense: an error for him, and the site goes on.
  expect((await fetch(`http://127.0.0.1:${port}/favicon.ico`)).status).toBe(500)
  expect(await ask()).toContain('hit')
})
