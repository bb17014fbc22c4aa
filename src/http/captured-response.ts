/**
 * A response of node:http whose handler's answer is caught before it is sent: what `writeHead`, `write` and `end`
 * are given is collected, and the handler notices nothing.
 *
 * - *collecting*: the handler answers; nothing has been sent.
 * - *caught*: the handler has ended; the answer is known. What the handler does from here on has no effect.
 * - *passed*: the answer became too long, or its head was flushed: it goes to the visitor as it comes, unkept.
 * - *released*: the response is this layer's again, as it was before the handler.
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { type OriginResponse, Unanswered } from './message.js'
import { fieldsOf } from './node-message.js'

export class CapturedResponse {
  readonly #response: ServerResponse
  readonly #maxBytes: number
  readonly #passing: () => void
  readonly #before: OutgoingHttpHeaders
  readonly #statusBefore: number
  readonly #methods: Pick<ServerResponse, 'writeHead' | 'write' | 'end' | 'flushHeaders'>
  readonly #chunks: Buffer[] = []
  #size = 0
  #state: 'collecting' | 'caught' | 'passed' | 'released' = 'collecting'
  #settle: { resolve: (answer: OriginResponse | 'passed') => void; reject: (error: Error) => void } | undefined

  /** Begins to collect. `passing` is called before an answer that passes is sent. */
  constructor(response: ServerResponse, maxBytes: number, passing: () => void) {
    this.#response = response
    this.#maxBytes = maxBytes
    this.#passing = passing
    this.#before = { ...response.getHeaders() }
    this.#statusBefore = response.statusCode
    const { writeHead, write, end, flushHeaders } = response
    this.#methods = { writeHead, write, end, flushHeaders }
    Object.assign(response, {
      writeHead: (...args: unknown[]) => this.#writeHead(args),
      write: (...args: unknown[]) => this.#write(args),
      end: (...args: unknown[]) => this.#end(args),
      flushHeaders: () => this.#pass(),
    })
  }

  /** Resolves with the answer once the handler has ended. Rejects with `Unanswered` when the visitor leaves before. */
  answer(): Promise<OriginResponse | 'passed'> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#response.once('close', () => {
        if (this.#state === 'collecting') reject(new Unanswered('The visitor left before the page was made'))
      })
    })
  }

  /** Makes the response what it was before the handler had it. */
  release(): void {
    if (this.#state === 'passed' || this.#state === 'released') return
    this.#state = 'released'
    Object.assign(this.#response, this.#methods)
    if (this.#response.headersSent) return
    this.#response.statusCode = this.#statusBefore
    for (const name of this.#response.getHeaderNames()) this.#response.removeHeader(name)
    for (const [name, value] of Object.entries(this.#before)) {
      if (value !== undefined) this.#response.setHeader(name, value)
    }
  }

  #writeHead(args: unknown[]): ServerResponse {
    if (this.#state === 'passed') return Reflect.apply(this.#methods.writeHead, this.#response, args)
    if (this.#state !== 'collecting') return this.#response
    const [status, ...rest] = args
    this.#response.statusCode = Number(status)
    const headers = rest.find((arg) => typeof arg === 'object' && arg !== null)
    if (Array.isArray(headers)) {
      const pairs = headers.every(Array.isArray) ? headers.flat() : headers
      for (let at = 0; at + 1 < pairs.length; at += 2) this.#response.appendHeader(String(pairs[at]), pairs[at + 1])
    } else {
      for (const [name, value] of Object.entries((headers ?? {}) as OutgoingHttpHeaders)) {
        if (value !== undefined) this.#response.setHeader(name, value)
      }
    }
    return this.#response
  }

  #write(args: unknown[]): boolean {
    if (this.#state === 'passed') return Reflect.apply(this.#methods.write, this.#response, args)
    if (this.#state !== 'collecting') return false
    this.#collect(args)
    if (this.#size > this.#maxBytes) return this.#pass()
    callBack(args)
    return true
  }

  #end(args: unknown[]): ServerResponse {
    if (this.#state === 'passed') return Reflect.apply(this.#methods.end, this.#response, args)
    if (this.#state !== 'collecting') return this.#response
    this.#collect(args)
    if (this.#size > this.#maxBytes) {
      this.#pass()
      return this.#response.end()
    }
    this.#state = 'caught'
    const headers = Object.entries(this.#response.getHeaders()).filter(([name, value]) => value !== this.#before[name])
    this.#settle?.resolve({
      status: this.#response.statusCode,
      headers: fieldsOf(Object.fromEntries(headers)),
      body: Buffer.concat(this.#chunks),
    })
    callBack(args)
    return this.#response
  }

  #collect([chunk, encoding]: unknown[]): void {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
        : Buffer.from(chunk as Uint8Array)
    this.#chunks.push(bytes)
    this.#size += bytes.length
  }

  #pass(): boolean {
    if (this.#state !== 'collecting') return true
    this.#state = 'passed'
    Object.assign(this.#response, this.#methods)
    this.#passing()
    this.#response.flushHeaders()
    const isDrained = this.#chunks.length === 0 || this.#response.write(Buffer.concat(this.#chunks))
    this.#chunks.length = 0
    this.#settle?.resolve('passed')
    return isDrained
  }
}

function callBack(args: unknown[]): void {
  const callback = args.find((arg) => typeof arg === 'function')
  if (callback !== undefined) process.nextTick(callback as () => void)
}
