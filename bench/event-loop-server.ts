/**
 * A site in a process of its own, whose event loop is watched: `tsx event-loop-server.ts <cached|bare> <directory> <port>`.
 * Page N takes 5 ms to make; one in twenty has 200 KB that are not ASCII, about the largest that a hit reads at once, the
 * others 10 KB. With the cache every fiftieth request evicts its page, every five hundredth a tag of some twenty pages.
 * Messages: `begin` clears what was seen, `end` asks for it.
 */
import { existsSync, openSync, readSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createHistogram, monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { createCache } from 'pagekeep'
import { createMiddleware, HttpCache, pageContext } from 'pagekeep/http'
import { DiskStore } from 'pagekeep/stores/disk'
import { textOf } from './texts.js'

export interface LoopDelay {
  /** How late the loop was, in milliseconds: of all samples the 50th and the 99th hundredth, and the latest. */
  readonly medianMs: number
  readonly p99Ms: number
  readonly maxMs: number
  /**
   * The time of the processor that the loop's own thread took between two timers of 1 ms: the 99th hundredth. What
   * other programs take from it does not count. 0 where the system does not tell.
   */
  readonly busyP99Ms: number
}

const renderMs = 5
const groups = 19
const small = textOf('ASCII', 10 * 1024)
const large = textOf('non-ASCII', 200 * 1024)
const [way, directory = '', port] = process.argv.slice(2)

const handler: RequestListener = async (request, response) => {
  const page = Number(request.url?.split('/')[2])
  pageContext(request)?.tag(`group:${page % groups}`)
  await setTimeout(renderMs)
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page % 20 === 0 ? large : small)
}

function cached(): RequestListener {
  // Without copies in memory every hit reads its file, which is what takes long.
  const cache = createCache({ store: new DiskStore({ directory, hotBytes: 2 * 1024 * 1024 }) })
  const middleware = createMiddleware(new HttpCache({ cache, hosts: 'any' }))
  let requests = 0
  return (request, response) => {
    requests++
    if (requests % 50 === 0) void cache.evict(`${request.url?.slice(1)}index.html`)
    if (requests % 500 === 0) void cache.evict({ tag: `group:${(requests / 500) % groups}` })
    middleware(request, response, () => handler(request, response))
  }
}

function watchThread(busy: RecordableHistogram): void {
  const file = `/proc/self/task/${process.pid}/schedstat`
  if (!existsSync(file)) return
  const fd = openSync(file, 'r')
  const bytes = Buffer.alloc(64)
  const spentNs = () => Number.parseInt(bytes.toString('latin1', 0, readSync(fd, bytes, 0, 64, 0)), 10)
  let before = spentNs()
  setInterval(() => {
    const now = spentNs()
    busy.record(Math.max(1, now - before))
    before = now
  }, 1)
}

if (process.send !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const busy = createHistogram()
  watchThread(busy)
  const ms = (ns: number) => ns / 1e6
  process.on('message', (message) => {
    if (message === 'begin') {
      delay.enable()
      delay.reset()
      busy.reset()
    } else {
      delay.disable()
      const seen: LoopDelay = {
        medianMs: ms(delay.percentile(50)),
        p99Ms: ms(delay.percentile(99)),
        maxMs: ms(delay.max),
        busyP99Ms: busy.count === 0 ? 0 : ms(busy.percentile(99)),
      }
      process.send?.(seen)
    }
  })
  const listener = way === 'cached' ? cached() : handler
  process.on('disconnect', () => process.exit())
  const server = createServer(listener).listen(Number(port), '127.0.0.1', () => process.send?.('listening'))
  // Nobody asks while the other server has its turn.
  server.keepAliveTimeout = 120_000
}
