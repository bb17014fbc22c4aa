/** What all measurements work with: the server with its tables, who writes, who reads, and where to say what is done. */
import { tmpdir } from 'node:os'
import type pg from 'pg'
import { freePort } from '../../test/support/free-port.js'
import { Consumer } from './consumer.js'
import { type DurableServer, startDurableServer, urlOf } from './durable-server.js'
import { FpLoop } from './fp-loop.js'
import { Scratch } from './scratch.js'
import { openShop, schemas } from './shop.js'
import { findWriters, type Writers } from './writers.js'

export interface Bench {
  readonly scratch: Scratch
  readonly server: DurableServer
  /** For single statements of the benchmark itself. */
  readonly client: pg.Client
  readonly writers: Writers
  /** Stopped, between measurements. */
  readonly consumers: { readonly leased: Consumer; readonly notifying: Consumer }
  /** Listening all the time. */
  readonly loop: FpLoop
  progress(text: string): void
}

export interface BenchOptions {
  /** What is to be durable lies in here. Default: the system's directory for temporary files. */
  readonly directory?: string | undefined
  /** Whether writers are processes of Node even where there is pgbench. Default `false`. */
  readonly withoutPgbench?: boolean
  /** Whether the loop is a process of Node even where there is Python with psycopg2. Default `false`. */
  readonly withoutPython?: boolean
  progress(text: string): void
}

/** Calls `work` with everything started, and ends it all whatever becomes of it. */
export async function withBench<T>(options: BenchOptions, work: (bench: Bench) => Promise<T>): Promise<T> {
  const { directory = tmpdir(), withoutPgbench = false, withoutPython = false, progress } = options
  const scratch = new Scratch(directory)
  const port = await freePort()
  // They take their time to load; meanwhile the server starts.
  const consumerOf = (feed: 'leased' | 'notifying') => {
    const pages = scratch.make(`pages of ${feed}`)
    return new Consumer(
      { url: urlOf(port), schema: schemas[feed], directory: pages, takesLease: feed === 'leased' },
      scratch,
    )
  }
  const consumers = { leased: consumerOf('leased'), notifying: consumerOf('notifying') }
  let server: DurableServer | undefined
  let loop: FpLoop | undefined
  try {
    server = await startDurableServer(scratch, port)
    const client = await server.connect()
    progress('the server is started')
    await openShop(client)
    progress('its tables are filled')
    loop = await FpLoop.start(server.url, scratch.make('files of the loop'), scratch, withoutPython)
    for (const consumer of Object.values(consumers)) {
      await consumer.start()
      await consumer.stop()
    }
    progress('everything is started')
    const writers = findWriters(server, scratch, withoutPgbench)
    return await work({ scratch, server, client, writers, consumers, loop, progress })
  } finally {
    progress('stopping everything')
    await Promise.allSettled([consumers.leased.close(), consumers.notifying.close(), loop?.close()])
    await server?.stop()
    scratch.clear()
  }
}
