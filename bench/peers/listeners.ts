/**
 * Other caches behind node:http: the fastest of those in memory and of those with files, and the one that is a cache of
 * HTTP itself. None of them looks whether its page is still the one that is on the disk.
 */
import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { installedPeers } from './installed.js'
import { load } from './peer.js'

const fastest = ['lru-cache fetch(), memory', 'bentocache, memory and file'] as const
const handler = 'ocache, HTTP handler, memory'
const type = { 'Content-Type': 'text/html; charset=utf-8' }

/** The ways that `peerListener` knows; none where the other caches are not installed. */
export async function installedPeerWays(): Promise<readonly string[]> {
  return (await installedPeers()).length === 0 ? [] : [...fastest, handler]
}

export async function peerListener(way: string, directory: string, body: string): Promise<RequestListener> {
  if (way === handler) return ocacheListener(body)
  for (const { name, forms } of await installedPeers()) {
    const form = forms.find((form) => `${name}, ${form.name}` === way)
    if (form === undefined) continue
    const peer = await form.open(directory)
    return async ({ url = '' }, response) => {
      const page = (await peer.getOrRender({ key: url.slice(1), tags: [] }, async () => body)) as string
      response.writeHead(200, { ...type, 'Content-Length': Buffer.byteLength(page) }).end(page)
    }
  }
  throw new Error(`There is no way "${way}": one of ${[...fastest, handler].join(' | ')}`)
}

interface Event {
  readonly req: Request
}

interface Ocache {
  defineCachedHandler(
    handle: (event: Event) => Response,
    options: { readonly maxAge: number },
  ): (event: Event) => Promise<Response>
}

async function ocacheListener(body: string): Promise<RequestListener> {
  const { defineCachedHandler } = await load<Ocache>('ocache')
  const cached = defineCachedHandler(() => new Response(body, { headers: type }), { maxAge: 3600 })
  return getRequestListener((req) => cached({ req }))
}
