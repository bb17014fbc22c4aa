/**
 * Pages of a Fastify server, as a plugin: `await fastify.register(createFastifyPlugin(pages))` before the routes.
 *
 * Fastify chooses the route before a plugin sees the request. So a HEAD for a page that is not kept goes through
 * without making one, and handlers see query parameters that make no difference: name such a parameter in
 * `ignoredQuery` only if no handler shows it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpCache } from './http-cache.js'
import { answer, failed } from './middleware.js'

/** As much of Fastify as is used here. */
interface FastifyLike {
  addHook(
    name: 'onRequest',
    hook: (request: { raw: IncomingMessage }, reply: ReplyLike, done: (error?: Error) => void) => void,
  ): unknown
}

interface ReplyLike {
  readonly raw: ServerResponse
  hijack(): unknown
}

export type FastifyPlugin = (fastify: FastifyLike, options: object, done: (error?: Error) => void) => void

/** Handlers reach the render's context by `pageContext(request.raw)`. */
export function createFastifyPlugin(pages: HttpCache): FastifyPlugin {
  const plugin: FastifyPlugin = (fastify, _options, done) => {
    fastify.addHook('onRequest', (request, reply, next) => {
      answer(pages, request.raw, reply.raw, () => next(), {
        taken: () => reply.hijack(),
        canGet: false,
        broke(response, thrown) {
          reply.hijack()
          failed(response, thrown)
        },
      })
    })
    done()
  }
  // Without a context of its own it serves the routes of all who are registered beside it.
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'pagekeep',
  })
}
