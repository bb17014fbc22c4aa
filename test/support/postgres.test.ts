import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PostgresServer, query, startPostgres } from './postgres.js'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

test('startPostgres() gives fresh databases that outlive a restart', async () => {
  const database = await server.createDatabase()
  await query(database, 'CREATE TABLE t (n int); INSERT INTO t VALUES (1)')
  await server.restart()
  expect(await query(database, 'SELECT n FROM t')).toEqual([{ n: 1 }])
  expect(await query(await server.createDatabase(), "SELECT to_regclass('t') AS t")).toEqual([{ t: null }])
})
