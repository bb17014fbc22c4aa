/** The front door of `pagekeep/http`. */
export { HttpCache, type HttpCacheOptions } from './http-cache.js'
export type { Field, Fields, Origin, OriginCall, OriginResponse, PageRequest, Reply } from './message.js'
export { createProxy, type Proxy, type ProxyOptions } from './proxy.js'
