import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { type CodeBlock, docstringExamples, fencedBlocks, moduleOf } from './code-blocks.js'

const root = path.resolve(import.meta.dirname, '../..')
const generated = path.join(import.meta.dirname, 'generated')
const listing = (folder: string, ending: string) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name))

const texts = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...listing('docs', '.md')].filter((text) =>
  existsSync(path.join(root, text)),
)
const prelude = `
import { createCache, route, parseSelector, systemClock, isPagekeepError } from 'pagekeep'
import { DiskStore } from 'pagekeep/stores/disk'
import { MemoryStore } from 'pagekeep/stores/memory'
import { KeyvStore, asKeyv } from 'pagekeep/stores/keyv'
import { PostgresInvalidator, rule } from 'pagekeep/invalidators/postgres'
import { bridge, diagnose, evictRoute, evictTag, FeedSchema, watch } from 'pagekeep/invalidators/postgres'
import { FakeClock, ChaosStore, storeContract } from 'pagekeep/testing'
import Keyv from 'keyv'
const describe = (title: string, body: () => void) => body()
const it = () => undefined
const connection = process.env.DATABASE_URL
const day = route('daily/{date:YYYY/MM/DD}.daily.{branch}')
const cache = createCache({ store: new MemoryStore() })
const rules = [rule({ channel: 'date_updated', queue: { table: 'cache_clearing_dates', columns: ['date_to_clear'] }, evict: (row) => day.pattern({ date: row.date_to_clear }) })]
`

// What the blocks' databases hold: queue tables as a site that comes from scripts has them.
const schema = `
  CREATE TABLE listen_for (id serial PRIMARY KEY, name text UNIQUE, script_name text);
  INSERT INTO listen_for (name) VALUES ('date_updated');
  CREATE TABLE cache_clearing_dates (id serial PRIMARY KEY, date_to_clear date, date_added timestamptz DEFAULT now());
`

let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres()
  process.env.DATABASE_URL = await postgres.createDatabase()
  await query(process.env.DATABASE_URL, schema)
  // A directory that an example names is made here, not in the working copy.
  rmSync(generated, { recursive: true, force: true })
  mkdirSync(generated, { recursive: true })
  process.chdir(generated)
})

afterAll(async () => {
  process.chdir(root)
  delete process.env.DATABASE_URL
  await postgres?.stop()
  rmSync(generated, { recursive: true, force: true })
})

const run = async (block: CodeBlock, number: number) => {
  const file = path.join(generated, `block-${number}-${block.line}.ts`)
  writeFileSync(file, moduleOf(block, prelude))
  await import(/* @vite-ignore */ file)
}

describe('every block of TypeScript in our texts runs, and its claims are true:', () => {
  const blocks = texts.flatMap((text) => fencedBlocks(path.join(root, text)))
  it.each(blocks.map((block, number) => ({ block, number, name: `${path.relative(root, block.file)}:${block.line}` })))(
    '$name',
    ({ block, number }) => run(block, number),
  )
})

describe('every example in a docstring runs, and its claims are true:', () => {
  const blocks = listing('src', '.ts').flatMap((file) => docstringExamples(path.join(root, file)))
  it.each(
    blocks.map((block, number) => ({
      block,
      number: 1000 + number,
      name: `${path.relative(root, block.file)}:${block.line}`,
    })),
  )('$name', ({ block, number }) => run(block, number))

  it('finds them', () => expect(blocks.length).toBeGreaterThan(3))
})

describe('moduleOf()', () => {
  it('makes a false claim fail', async () => {
    const block = { file: 'none', line: 1, code: "route('a/{b}').key({ b: 1 }) // => 'a/2'\n" }
    await expect(run(block, 9999)).rejects.toThrow('a/1')
  })
})
