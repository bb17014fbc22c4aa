/** The dashboard on node:http: a request becomes one of the web, its answer is written with respect to slow readers. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What Express and the like add. */
type Mounted = IncomingMessage & { readonly originalUrl?: string; readonly body?: unknown }

const maxBodyBytes = 16 * 1024

export function toRequest(incoming: Mounted): Request {
  const isTls = 'encrypted' in incoming.socket
  const host = incoming.headers.host ?? 'localhost'
  const url = new URL(incoming.originalUrl ?? incoming.url ?? '/', `${isTls ? 'https' : 'http'}://${host}`)
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined && !name.startsWith(':')) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  return new Request(url, { method: incoming.method ?? 'GET', headers })
}

/** The body as text; `undefined` when it is too long. A framework may have read it before. */
export async function readBody(incoming: Mounted): Promise<string | undefined> {
  if (incoming.body !== undefined) {
    return typeof incoming.body === 'string' ? incoming.body : JSON.stringify(incoming.body)
  }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).length
    if (bytes > maxBodyBytes) return undefined
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

export async function writeAnswer(answer: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
  if (answer.body === null) {
    outgoing.end()
    return
  }
  const reader = answer.body.getReader()
  const gone = () => void reader.cancel().catch(() => undefined)
  outgoing.once('close', gone)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || outgoing.destroyed) break
      if (!outgoing.write(value)) await drained(outgoing)
    }
  } finally {
    outgoing.off('close', gone)
    outgoing.end()
  }
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off('drain', done)
      outgoing.off('close', done)
      resolve()
    }
    outgoing.on('drain', done)
    outgoing.on('close', done)
  })
}
