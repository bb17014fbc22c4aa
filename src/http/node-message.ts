/** Requests of node:http as this layer sees them, and replies written to node:http. */
import { type IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import type { Field, Fields, PageRequest, Reply } from './message.js'
import { isPrepared, type PreparedReply } from './prepared-reply.js'

export function readNodeRequest(request: IncomingMessage): PageRequest {
  return { method: request.method ?? 'GET', url: request.url ?? '/', headers: request.headers }
}

/** Pairs from Node's flat list of names and values. */
export function pairsOf(raw: readonly string[]): Field[] {
  const pairs: Field[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? '', raw[at + 1] ?? ''])
  return pairs
}

/** Fields for `writeHead`, lines of one name together. */
export function grouped(fields: Fields): Record<string, string | string[]> {
  // Without a prototype, for `__proto__` is a name of a field as well.
  const values: Record<string, string | string[]> = Object.create(null)
  const spelling = new Map<string, string>()
  for (const [name, value] of fields) {
    const lower = name.toLowerCase()
    const known = spelling.get(lower)
    if (known === undefined) {
      spelling.set(lower, name)
      values[name] = value
    } else {
      values[known] = [values[known] ?? [], value].flat()
    }
  }
  return values
}

/** The fields that a response of Node's has been given. */
export function fieldsOf(headers: OutgoingHttpHeaders): Field[] {
  return Object.entries(headers).flatMap(([name, value]): Field[] => {
    if (value === undefined) return []
    return Array.isArray(value) ? value.map((one) => [name, one]) : [[name, String(value)]]
  })
}

/** Sends `reply`; to a visitor who has gone it does nothing. */
export function sendNodeReply(response: ServerResponse, reply: Reply & { kind: 'page' }): void {
  if (response.headersSent || response.destroyed) {
    if (!isPrepared(reply) && reply.body instanceof Readable) reply.body.destroy()
    return
  }
  if (isPrepared(reply) && isBare(response)) {
    sendPrepared(response, reply)
    return
  }
  response.writeHead(reply.status, grouped(reply.headers))
  if (reply.body === undefined) response.end()
  // What fails on the way ends the connection, so that nobody takes a part for the whole.
  else if (reply.body instanceof Readable) pipeline(reply.body, response, () => undefined)
  else response.end(reply.body)
}

function sendPrepared(response: ServerResponse, reply: PreparedReply): void {
  const { text } = reply
  const { socket } = response
  response.writeHead(reply.status, reply.lines as string[])
  // A request that came before this one over the same connection has not been answered yet.
  if (text === undefined || socket === null) {
    response.end(reply.body)
    return
  }
  // Head and body as one string, which Node writes in one piece and at once; `end` would write a second, empty one.
  socket.cork()
  // Latin-1, for the head goes along, and its fields may have letters of it.
  response.write(text, 'latin1')
  socket.uncork()
  response.end()
}

const { writeHead, write, end } = ServerResponse.prototype

/** Whether nobody has set a field, or put himself between this and Node: session and compression middleware do. */
function isBare(response: ServerResponse): boolean {
  return (
    response.writeHead === writeHead &&
    response.write === write &&
    response.end === end &&
    response.getHeaderNames().length === 0
  )
}
