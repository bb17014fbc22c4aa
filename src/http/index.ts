/** The front door of `pagekeep/http`. */
export {
  type CloudflareOptions,
  cloudflare,
  type FastlyOptions,
  fastly,
  type GenericOptions,
  genericCdn,
  type VarnishOptions,
  varnishBan,
  varnishXkey,
} from './cdn/apis.js'
export { both } from './cdn/both.js'
export { type CdnApi, CdnTarget, type CdnTargetOptions } from './cdn/cdn-target.js'
export { createFastifyPlugin, type FastifyPlugin } from './fastify.js'
export { HttpCache } from './http-cache.js'
export type { Field, Fields, Origin, OriginCall, OriginResponse, PageRequest, Reply } from './message.js'
export { createMiddleware, type Middleware, pageContext } from './middleware.js'
export type { PageKeyOptions } from './page-key.js'
export { createProxy, type Proxy, type ProxyOptions } from './proxy.js'
export { createPurge, createPurgeListener, type PurgeAnswer, type PurgeOptions, type PurgeRequest } from './purge.js'
export type { HttpCacheOptions } from './settings.js'
export type { StoringOptions } from './storing.js'
export { variantsToo } from './variants-too.js'
export { createHonoMiddleware, createWebHandler, pageContextOf, type WebHandler } from './web.js'
