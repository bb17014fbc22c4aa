/** The listeners and queues of the database as the dashboard shows them, asked anew every few seconds while somebody looks. */
import type { NodeReport } from '../dashboard/index.js'
import { readSite } from './site-database.js'
import { type Context, whereDatabase } from './workplace.js'

// A connection is made for each look, so that none has to be mended.
const everyMs = 5000

/** `undefined` from the database: none is named. */
export function readNodes(context: Context): () => Promise<readonly NodeReport[]> {
  return atMostEvery(everyMs, async () => {
    const site = await whereDatabase(context, (statements) => readSite(statements, context.settings))
    if (site === undefined) return []
    return [
      ...site.nodes.map(({ name, state, backlog, silentMs, behindMs }) => ({
        name,
        state,
        lagSeconds: behindMs === undefined ? null : behindMs / 1000,
        backlog: backlog ?? null,
        seenAtMs: Date.now() - silentMs,
      })),
      ...site.queues.map(({ table, rows }) => ({ name: `queue ${table}`, state: '', lagSeconds: null, backlog: rows })),
    ]
  })
}

/** `look`, whose answer (or failure) stands for so long. */
export function atMostEvery<T>(ms: number, look: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | undefined
  let untilMs = 0
  return () => {
    if (last === undefined || Date.now() >= untilMs) {
      untilMs = Number.POSITIVE_INFINITY
      last = look().finally(() => {
        untilMs = Date.now() + ms
      })
    }
    return last
  }
}
