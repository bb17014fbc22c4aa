/** The front door: everything but the stores, the invalidators and the test suite. */
export type { Answer } from './core/answer.js'
export { createCache, type PageCache } from './core/cache.js'
export type { BytesOptions, CacheOptions, RenderOptions } from './core/cache-options.js'
export { type Clock, systemClock, type Timer } from './core/clock.js'
export { type ErrorCode, errorCodes, isPagekeepError, PagekeepError } from './core/errors.js'
export type { CacheEventName, CacheEvents, CacheListener } from './core/events.js'
export type { EvictionReport } from './core/eviction-report.js'
export type { FreshnessOptions } from './core/freshness.js'
export { type EvictionTarget, type Invalidator, type Logger, silentLogger } from './core/invalidator.js'
export { keyProblem } from './core/key.js'
export type { Render, RenderContext } from './core/render-context.js'
export {
  Route,
  type RouteOptions,
  type RouteParameters,
  RoutePattern,
  type RouteValues,
  route,
} from './core/route.js'
export {
  type KeySelector,
  type PatternSelector,
  parseSelector,
  type Selector,
  type SelectorInput,
  type TagSelector,
} from './core/selector.js'
export { signOfLife } from './core/sight.js'
export type {
  Awaitable,
  BeginOptions,
  Busy,
  EncodedBody,
  Eviction,
  EvictionFailure,
  Fill,
  FillState,
  GetOptions,
  KeptPage,
  NewPage,
  PageBody,
  Store,
  StoreCapabilities,
  StoreState,
  StreamedBody,
} from './core/store.js'
export type { Verification, VerifyOptions } from './core/verify.js'
