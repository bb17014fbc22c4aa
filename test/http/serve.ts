/** Servers of node:http on the loopback, and requests whose every field a test decides. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** Starts a server that ends with the test; resolves with its URL. */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Statuses and fields of what came before the answer. */
  readonly interim: readonly { status: number; headers: IncomingHttpHeaders }[]
}

interface GetOptions {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

export function get(url: string, { method = 'GET', headers = {}, body }: GetOptions = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const interim: Got['interim'][number][] = []
    const outgoing = request(url, { method, headers, agent: false }, async (response) => {
      try {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
          interim,
        })
      } catch (thrown) {
        reject(thrown)
      }
    })
    outgoing.on('information', ({ statusCode, headers: fields }) =>
      interim.push({ status: statusCode, headers: fields }),
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
