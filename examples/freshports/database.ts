/** The database of the example: a real PostgreSQL, and the schema and data in it. Nothing of the cache is in here. */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { type EmbeddedServer, startEmbeddedServer } from '../embedded-server.js'
import { makeData } from './data.js'
import { exists } from './files.js'

/** Starts PostgreSQL with its data in `directory`, and makes and fills the database if it is new. */
export async function startDatabase(directory: string): Promise<EmbeddedServer> {
  await mkdir(directory, { recursive: true })
  const server = await startEmbeddedServer(join(directory, 'postgres'), await keptPassword(join(directory, 'password')))
  try {
    await fillDatabase(server.connectionString)
  } catch (thrown) {
    await server.stop()
    throw thrown
  }
  return server
}

/** Makes tables, data and triggers, unless they are there. */
export async function fillDatabase(connectionString: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    const found = await client.query("SELECT to_regclass('listen_for') IS NOT NULL AS yes")
    if (found.rows[0]?.yes === true) return
    await client.query('BEGIN')
    await client.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'))
    for (const [table, rows] of Object.entries(makeData())) {
      await client.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [
        JSON.stringify(rows),
      ])
      if (table === 'commit_log_ports') continue
      await client.query(`SELECT setval(pg_get_serial_sequence($1, 'id'), $2)`, [table, rows.length])
    }
    await client.query(await readFile(new URL('triggers.sql', import.meta.url), 'utf8'))
    await client.query('COMMIT; ANALYZE')
  } finally {
    await client.end()
  }
}

async function keptPassword(path: string): Promise<string> {
  if (await exists(path)) return (await readFile(path, 'utf8')).trim()
  const password = randomUUID()
  await writeFile(path, password, { mode: 0o600 })
  return password
}
