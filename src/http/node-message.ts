/** Requests of node:http as this layer sees them, and replies written to node:http. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Field, Fields, PageRequest, Reply } from './message.js'

export function readNodeRequest(request: IncomingMessage): PageRequest {
  return { method: request.method ?? 'GET', url: request.url ?? '/', headers: request.headers }
}

/** Pairs from Node's flat list of names and values. */
export function pairsOf(raw: readonly string[]): Field[] {
  const pairs: Field[] = []
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? '', raw[at + 1] ?? ''])
  return pairs
}

/** Fields for `setHeader`, lines of one name together. */
export function grouped(fields: Fields): Map<string, string | string[]> {
  const byName = new Map<string, string | string[]>()
  const spelling = new Map<string, string>()
  for (const [name, value] of fields) {
    const known = spelling.get(name.toLowerCase()) ?? name
    spelling.set(name.toLowerCase(), known)
    const before = byName.get(known)
    byName.set(known, before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value])
  }
  return byName
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
  if (response.headersSent || response.destroyed) return
  response.statusCode = reply.status
  for (const [name, value] of grouped(reply.headers)) response.setHeader(name, value)
  if (reply.body === undefined) response.end()
  else response.end(reply.body)
}
