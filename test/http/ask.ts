/** A site in a function and a visitor in a call: what tests of the HTTP layer need, without a server. */
import type { HttpCache, Origin, OriginCall, OriginResponse, PageRequest, Reply } from 'pagekeep/http'

export type Page = Reply & { kind: 'page' }

/** A request of GET / unless said otherwise. */
export function request(parts: Partial<PageRequest> = {}): PageRequest {
  return { method: 'GET', url: '/', headers: { host: 'localhost' }, ...parts }
}

/** A site that answers what it is told to, and counts. */
export class Site {
  calls = 0
  lastCall: OriginCall | undefined
  answer: (call: OriginCall) => OriginResponse | 'passed' | Promise<OriginResponse | 'passed'>

  constructor(answer: Partial<OriginResponse> | Site['answer'] = {}) {
    this.answer = typeof answer === 'function' ? answer : () => page(answer)
  }

  readonly origin: Origin = async (call) => {
    this.calls++
    this.lastCall = call
    return this.answer(call)
  }
}

export function page(parts: Partial<OriginResponse> = {}): OriginResponse {
  return { status: 200, headers: [['Content-Type', 'text/html; charset=utf-8']], body: 'page', ...parts }
}

/** Asks, and expects a page. */
export async function ask(pages: HttpCache, site: Site, parts: Partial<PageRequest> = {}): Promise<Page> {
  const reply = await pages.respond(request(parts), site.origin)
  if (reply.kind !== 'page') throw new Error(`Expected a page, got ${JSON.stringify(reply)}`)
  return reply
}

export function header(reply: Page, name: string): string | undefined {
  const values = reply.headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(', ')
}

export function text(reply: Page): string {
  return reply.body === undefined ? '' : Buffer.from(reply.body as Uint8Array).toString()
}
