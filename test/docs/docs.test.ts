import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { FeedSchema } from 'pagekeep/invalidators/postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { type PostgresServer, query, startPostgres } from '../support/postgres.js'
import { mayStartRedis, type RedisServer, startRedis } from '../support/redis.js'
import { type CodeBlock, docstringExamples, fencedBlocks, moduleOf } from './code-blocks.js'
import { prelude, tables } from './prelude.js'

const root = path.resolve(import.meta.dirname, '../..')
const generated = path.join(import.meta.dirname, 'generated')
const listing = (folder: string, ending: string) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name))

// docs/api is what `npm run docs` makes, with copies of the texts.
const texts = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...listing('docs', '.md')].filter(
  (text) => !text.startsWith('docs/api/') && existsSync(path.join(root, text)),
)

const mayUseRedis = mayStartRedis()
let postgres: PostgresServer
let redis: RedisServer | undefined

beforeAll(async () => {
  postgres = await startPostgres()
  redis = mayUseRedis ? await startRedis() : undefined
  process.env.REDIS_URL = redis?.url
  process.env.PORT = String(await freePort())
  rmSync(generated, { recursive: true, force: true })
  mkdirSync(generated, { recursive: true })
})

afterAll(async () => {
  process.chdir(root)
  for (const name of ['DATABASE_URL', 'REDIS_URL', 'PORT']) delete process.env[name]
  await redis?.stop()
  await postgres?.stop()
  rmSync(generated, { recursive: true, force: true })
})

/** From here on `DATABASE_URL` is a database of its own, and a directory that is named is made in a place of its own. */
const moveToNewPlace = async () => {
  process.chdir(mkdtempSync(path.join(generated, 'place-')))
  const database = await postgres.createDatabase()
  await query(database, tables)
  process.env.DATABASE_URL = database
  return database
}

/** Ends the programs of a text that run on: what Ctrl-C would call. */
const interrupt = async () => {
  for (const listener of process.listeners('SIGINT').filter((one) => !own.has(one))) {
    process.off('SIGINT', listener)
    await listener('SIGINT')
  }
}
const own = new Set(process.listeners('SIGINT'))

let count = 0
const run = async (block: CodeBlock) => {
  if (block.language === 'sql') {
    await query(process.env.DATABASE_URL ?? '', block.code)
    return
  }
  const file = path.join(generated, `block-${++count}-${block.line}.ts`)
  writeFileSync(file, moduleOf(block, prelude))
  await import(/* @vite-ignore */ file)
}

const named = (blocks: readonly CodeBlock[]) =>
  blocks.map((block) => ({ block, name: `${path.relative(root, block.file)}:${block.line}` }))

describe('every block of TypeScript and SQL in our texts runs, and its claims are true:', () => {
  for (const text of texts) {
    const blocks = fencedBlocks(path.join(root, text))
    if (blocks.length === 0) continue
    describe(text, () => {
      beforeAll(moveToNewPlace)
      afterAll(interrupt)
      for (const { block, name } of named(blocks)) {
        it.skipIf(!mayUseRedis && block.code.includes('REDIS_URL'))(name, () => run(block))
      }
    })
  }
})

describe('every example in a docstring runs, and its claims are true:', () => {
  const blocks = listing('src', '.ts').flatMap((file) => docstringExamples(path.join(root, file)))
  beforeAll(async () => {
    await new FeedSchema().install(await moveToNewPlace())
  })
  it.each(named(blocks))('$name', ({ block }) => run(block))

  it('finds them', () => expect(blocks.length).toBeGreaterThan(3))
})

describe('moduleOf()', () => {
  it('makes a false claim fail', async () => {
    const code = "route('a/{b}').key({ b: 1 }) // => 'a/2'\n"
    await expect(run({ language: 'ts', file: 'none', line: 1, code })).rejects.toThrow('a/1')
  })

  it('takes from the prelude what a block uses and does not declare, and what that needs', () => {
    const code = "import { a } from 'x'\nconst b = 1\na(b, d)\n"
    const given = "import { a, b, c as __c } from 'y'\nconst b = 2\nconst d = __c()\nconst e = 3\n"
    const module = moduleOf({ language: 'ts', file: 'none', line: 1, code }, given)
    expect(module.split('\n').slice(0, 2)).toEqual(["import { c as __c } from 'y'", 'const d = __c()'])
    expect(module).not.toContain('const e')
  })
})
