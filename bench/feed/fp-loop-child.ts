/**
 * The same as fp_loop.py, where there is no Python with psycopg2. Its DELETE commits by itself, which saves it
 * two trips to the server; listing the directory is all that its pattern asks for.
 */
import { readdirSync, rmSync, unlinkSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'

const [, , url = '', directory = '', table = '', channel = ''] = process.argv
const client = new pg.Client({ connectionString: url })
await client.connect()
let tail: Promise<unknown> = Promise.resolve()
const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
  const done = tail.then(work)
  tail = done
  return done
}
client.on('notification', () => void inTurn(() => clear(Number.POSITIVE_INFINITY)))
await client.query(`LISTEN ${channel}`)
process.stdout.write('{}\n')

for await (const line of createInterface({ input: process.stdin })) {
  const began = performance.now()
  const rows = await inTurn(() => clear(Number(line.split(' ')[1])))
  process.stdout.write(`${JSON.stringify({ rows, seconds: (performance.now() - began) / 1000 })}\n`)
}
await client.end()

async function clear(seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000
  let cleared = 0
  for (;;) {
    const { rows } = await client.query(`SELECT id, category, name FROM ${table} ORDER BY id`)
    for (const { id, category, name } of rows) {
      if (performance.now() > end) return cleared
      remove(path.join(directory, 'items', category, name))
      await client.query(`DELETE FROM ${table} WHERE id = $1`, [id])
      cleared++
    }
    if (rows.length === 0) return cleared
  }
}

function remove(folder: string): void {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return
  }
  for (const name of names) {
    const file = path.join(folder, name)
    try {
      unlinkSync(file)
    } catch {
      rmSync(file, { recursive: true })
    }
  }
}
