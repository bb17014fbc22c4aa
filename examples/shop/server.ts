/** The PostgreSQL of the shops: that of `DATABASE_URL`, or a real one, started here and removed at the end. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedServer } from '../embedded-server.js'

export interface Server {
  readonly connection: string
  /** Stops the server, if it was started here, and removes its data. */
  stop(): Promise<void>
}

export async function openServer(): Promise<Server> {
  const given = process.env.DATABASE_URL
  if (given !== undefined) return { connection: given, stop: async () => {} }
  const directory = await mkdtemp(join(tmpdir(), 'pagekeep-example-pg-'))
  const server = await startEmbeddedServer(directory, 'postgres')
  return {
    connection: server.connectionString,
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
