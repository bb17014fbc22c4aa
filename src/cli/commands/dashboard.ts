/**
 * `dashboard`: the dashboard of the configured directory and database, served by a process of its own. It sees what
 * every process can: the pages, the sign of life, the journal beside the pages, the feed and the queues. What happens
 * inside the site's processes it cannot see, and the page says so.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isPagekeepError, reasonOf } from '../../core/errors.js'
import { createDashboard } from '../../dashboard/index.js'
import { observe } from '../../metrics/index.js'
import { keepJournal, usageOf } from '../../stores/disk/index.js'
import { inspectDirectory } from '../../stores/disk/inspect.js'
import { variable } from '../config/variables.js'
import { readHistory } from '../dashboard-history.js'
import { readNodes } from '../dashboard-nodes.js'
import { byLevel, gathered } from '../doctor/finding.js'
import { exitCodes } from '../exit-codes.js'
import { maxLagOf } from '../max-lag.js'
import { sizeOf } from '../size-of.js'
import { readCount, UsageError } from '../usage-error.js'
import { type Context, withCache } from '../workplace.js'
import { examine } from './doctor.js'

interface DashboardFlags {
  readonly port?: string
  readonly host?: string
  readonly token?: string
  readonly allowEvict?: boolean
  readonly maxLag?: string
}

const defaultPort = 9152

/** Serves until SIGINT or SIGTERM. */
export function dashboard(context: Context, _given: unknown, given: object): Promise<number> {
  const { settings, terminal } = context
  const flags = given as DashboardFlags
  const port = readCount('--port', flags.port, defaultPort, 0)
  const host = flags.host ?? '127.0.0.1'
  const token = flags.token ?? variable('PAGEKEEP_DASHBOARD_TOKEN') ?? randomBytes(18).toString('base64url')
  if (token.length < 12) throw new UsageError('Expected the token to be at least 12 characters long')
  const allowEvict = flags.allowEvict === true
  const maxLagMs = maxLagOf(settings, flags.maxLag)
  return withCache(context, async (cache, store) => {
    const observer = observe({ cache, usage: usageOf(store) })
    const journal = keepJournal({ store, cache })
    const shown = createDashboard({
      cache,
      observer,
      token,
      path: '/',
      sizeOf: (key) => sizeOf(store, key),
      allowEvict,
      silentAfterMs: maxLagMs,
      nodes: readNodes(context),
      doctor: async () => gathered((await examine(settings, maxLagMs)).sort(byLevel)),
      outside: {
        unseen: unseenOf(context),
        history: readHistory(context, store.directory),
        rendersInFlight: () => inspectDirectory(store.directory).leases,
      },
    })
    const server = createServer((request, response) => {
      shown(request, response, () => response.writeHead(404).end()).catch(() => response.destroy())
    })
    try {
      await listenOn(server, port, host)
      const { address, family, port: actual } = server.address() as AddressInfo
      const origin = `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`
      if (!isLoopback(address)) {
        terminal.note(
          `Beyond this host: whoever can reach ${origin} may try the token, and it crosses the network as plain text. Put TLS before it, or use an SSH tunnel to the loopback.`,
        )
      }
      const entrance = `${origin}/?token=${encodeURIComponent(token)}`
      terminal.answer({ address: `${origin}/`, entrance, directory: store.directory, allowEvict }, () => [
        `The dashboard of ${store.directory}: ${entrance}`,
        `${allowEvict ? 'Whoever has the token may evict.' : 'It is read-only; --allow-evict lets it evict.'} Ctrl-C ends it.`,
      ])
      await told()
      return exitCodes.ok
    } finally {
      shown.close()
      observer.close()
      journal.close()
      server.close()
      server.closeAllConnections()
    }
  })
}

function unseenOf({ settings }: Context): string[] {
  return [
    'Requests: hits, misses, render times and faults are counted inside the processes of the site (pagekeep/metrics).',
    'Whether the site is blind at the moment: that depends on its own maxLagMs.',
    'Evictions and dooms of processes that keep no journal; pagekeep listen keeps one, a site does by keepJournal().',
    ...(settings.hasDatabase ? [] : ['The database: none is named, so nothing is known of listeners and what waits.']),
  ]
}

async function listenOn(server: ReturnType<typeof createServer>, port: number, host: string): Promise<void> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (thrown) {
    if (isPagekeepError(thrown)) throw thrown
    const hint = (thrown as NodeJS.ErrnoException).code === 'EADDRINUSE' ? ' Pass --port for another.' : ''
    throw new UsageError(`The dashboard cannot be served at ${host}:${port}: ${reasonOf(thrown)}.${hint}`)
  }
}

function isLoopback(address: string): boolean {
  return /^(127\.|::1$|::ffff:127\.)/.test(address)
}

/** Resolves when it is told to end; a second signal ends it at once. */
function told(): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      process.off('SIGINT', end).off('SIGTERM', end)
      resolve()
    }
    process.on('SIGINT', end).on('SIGTERM', end)
  })
}
