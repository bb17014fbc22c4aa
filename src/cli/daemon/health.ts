/**
 * Whether the daemon is well, for load balancers, containers and monitors: on a port of the loopback, or in a file.
 * Well is: it listens (or stands by for a process that does), and the server was heard lately.
 */
import { renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { UsageError } from '../usage-error.js'

export interface Health {
  readonly isWell: boolean
  readonly state: string
  readonly [fact: string]: unknown
}

export interface HealthService {
  /** `http://127.0.0.1:9150/health` */
  readonly address: string
  close(): void
}

/** `where`: a port, or `address:port`. Throws `UsageError` when it cannot be had. */
export function serveHealth(where: string, look: () => Health): Promise<HealthService> {
  const [, host = '127.0.0.1', port = ''] = /^(?:\[?([^\]]*?)\]?:)?(\d{1,5})$/.exec(where) ?? []
  if (port === '') throw new UsageError(`Expected the health port to be a port or address:port, got "${where}"`)
  const server = createServer((request, response) => {
    request.resume()
    if (request.method !== 'GET' || !/^\/(health)?(\?|$)/.test(request.url ?? '')) {
      response.writeHead(404).end()
      return
    }
    const health = look()
    response.writeHead(health.isWell ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(`${JSON.stringify(health)}\n`)
  })
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new UsageError(`Health cannot be answered at ${where}: ${error.message}`)))
    server.listen(Number(port), host, () => {
      const { address, family, port: actual } = server.address() as AddressInfo
      const shown = family === 'IPv6' ? `[${address}]` : address
      resolve({ address: `http://${shown}:${actual}/health`, close: () => closeAll() })
    })
    const closeAll = () => {
      server.close()
      server.closeAllConnections()
    }
  })
}

/** Writes it every five seconds, whole; its age tells that the daemon lives. Returns a function that ends that. */
export function writeHealth(path: string, look: () => Health, failed: (reason: string) => void): () => void {
  let hasFailed = false
  const write = () => {
    try {
      const draft = `${path}.${process.pid}`
      writeFileSync(draft, `${JSON.stringify({ ...look(), atMs: Date.now() })}\n`)
      renameSync(draft, path)
      hasFailed = false
    } catch (thrown) {
      if (!hasFailed) failed(`The health file "${path}" cannot be written: ${(thrown as Error).message}`)
      hasFailed = true
    }
  }
  write()
  const timer = setInterval(write, 5000)
  timer.unref()
  return () => {
    clearInterval(timer)
    try {
      unlinkSync(path)
    } catch {
      // It was never written, or somebody took it away.
    }
  }
}
