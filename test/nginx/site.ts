/** A site behind nginx: a cache directory, an application that says which requests reached it, and requests to both. */
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, type IncomingHttpHeaders, type RequestListener, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { createCache, type PageCache } from 'pagekeep'
import { type ContentCoding, DiskStore } from 'pagekeep/stores/disk'
import { host, type NginxOptions, type NginxServer, startNginx } from './nginx-server.js'

export interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Decoded, if it came in a content coding. */
  readonly body: string
  /** As it came. */
  readonly bytes: Buffer
  /** Whether nginx sent it from a file, by itself. */
  readonly isFile: boolean
}

export class Site {
  readonly parent = mkdtempSync(path.join(tmpdir(), 'pagekeep-site-'))
  readonly directory = path.join(this.parent, 'cache')
  readonly coding: ContentCoding
  readonly store: DiskStore
  readonly cache: PageCache
  /** Method and URL of what reached the application. */
  readonly asked: string[] = []
  readonly #agent = new Agent({ keepAlive: true })
  readonly #nginxes: NginxServer[] = []
  readonly #server: Server

  /** `application` answers what nginx has no file for; by default `asked`. */
  constructor(
    application: RequestListener = (_request, response) => response.end('asked'),
    coding: ContentCoding = 'identity',
  ) {
    chmodSync(this.parent, 0o755)
    this.coding = coding
    this.store = new DiskStore({ directory: this.directory, coding })
    this.cache = createCache({ store: this.store })
    this.#server = createServer((incoming, response) => {
      this.asked.push(`${incoming.method} ${incoming.url}`)
      application(incoming, response)
    })
  }

  /** An nginx in front of it; several may be. */
  async nginx(options: Partial<NginxOptions> = {}): Promise<NginxServer> {
    if (!this.#server.listening) await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    const application = (this.#server.address() as AddressInfo).port
    const nginx = await startNginx({ root: this.directory, application, coding: this.coding, ...options })
    this.#nginxes.push(nginx)
    return nginx
  }

  get({ port }: NginxServer, url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: url, method, agent: this.#agent, headers: { host, ...headers } }
      const outgoing = request(options, async (response) => {
        try {
          const chunks: Buffer[] = []
          for await (const chunk of response) chunks.push(chunk)
          const bytes = Buffer.concat(chunks)
          const { headers, statusCode: status = 0 } = response
          const isFile = headers['cache-status'] === 'pagekeep; hit' && headers.age === undefined
          resolve({ status, headers, body: decoded(bytes, headers['content-encoding']), bytes, isFile })
        } catch (thrown) {
          reject(thrown)
        }
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await Promise.all(this.#nginxes.map((nginx) => nginx.stop()))
    this.#server.closeAllConnections()
    this.#server.close()
    await this.cache.close()
    rmSync(this.parent, { recursive: true, force: true })
  }
}

/** What cannot be decoded is given as it is: then it is not what was expected. */
function decoded(bytes: Buffer, coding: string | undefined): string {
  const decode = coding === 'gzip' ? gunzipSync : coding === 'br' ? brotliDecompressSync : undefined
  if (decode === undefined || bytes.length === 0) return bytes.toString()
  try {
    return decode(bytes).toString()
  } catch {
    return bytes.toString()
  }
}
