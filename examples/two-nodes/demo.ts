/**
 * Two nodes without Docker: `npx tsx examples/two-nodes/demo.ts` starts a real PostgreSQL and two processes, each with
 * a cache directory of its own, changes a row, and looks into both directories. Then one node is killed, a row is
 * changed while it is away, and it is started again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { openServer } from '../shop/server.js'

interface Node {
  readonly name: string
  readonly directory: string
  readonly origin: string
  readonly process: ChildProcess
}

const database = await openServer()
const directory = await mkdtemp(join(tmpdir(), 'pagekeep-nodes-'))
const db = new pg.Client({ connectionString: database.connection })
await db.connect()
await db.query(`
  CREATE TABLE products (id int PRIMARY KEY, category text NOT NULL, name text NOT NULL, price int NOT NULL);
  INSERT INTO products VALUES (1, 'drinks', 'tea', 4), (2, 'drinks', 'coffee', 6), (3, 'food', 'bread', 3)`)

async function start(name: string): Promise<Node> {
  const pages = join(directory, name)
  const file = fileURLToPath(new URL('node.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', file, name, pages], {
    env: { ...process.env, DATABASE_URL: database.connection },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${name} ended before it listened`)
  })
  ended.catch(() => {})
  const [line] = await Promise.race([once(child.stdout.setEncoding('utf8'), 'data'), ended])
  return { name, directory: pages, process: child, origin: String(line).trim().split(' ').at(-1) ?? '' }
}

async function stop({ process: child }: Node, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

async function visit({ name, origin }: Node, category: string): Promise<void> {
  const response = await fetch(`${origin}/${category}`)
  console.log(`  ${name}: GET /${category}  ${response.headers.get('x-cache')}  ${(await response.text()).trim()}`)
}

async function look({ name, directory }: Node): Promise<void> {
  const found = await readdir(directory, { recursive: true })
  const pages = found.filter((path) => path.endsWith('.html') && !path.startsWith('.pagekeep')).sort()
  console.log(`  ${name} keeps: ${pages.join(', ') || 'nothing'}`)
}

console.log('1. Two nodes, and each keeps its own files.')
const anna = await start('anna')
let berta = await start('berta')
for (const node of [anna, berta]) {
  for (const category of ['drinks', 'food', 'drinks']) await visit(node, category)
  await look(node)
}

console.log('2. One change. Anna is asked to make it, and answers when no node serves the old page.')
console.log(`  anna: POST /price  ${(await (await fetch(`${anna.origin}/price`, { method: 'POST' })).text()).trim()}`)
for (const node of [anna, berta]) {
  await look(node)
  await visit(node, 'drinks')
}

console.log('3. Berta is killed. A price changes while she is away.')
await stop(berta, 'SIGKILL')
await db.query("UPDATE products SET price = 2 WHERE name = 'bread'")
await look(berta)

console.log('4. Berta is started again, reads on from where she was, and then serves.')
berta = await start('berta')
await look(berta)
for (const category of ['drinks', 'food']) await visit(berta, category)

for (const node of [anna, berta]) await stop(node, 'SIGTERM')
await db.end()
await database.stop()
await rm(directory, { recursive: true, force: true })
