/**
 * `observe()`: one call that has a cache counted, and the numbers handed to whatever the app collects with:
 * Prometheus' text, a `prom-client` registry, an OpenTelemetry meter and tracer.
 */
import { Observer, type ObserverOptions } from './observer.js'
import { type OtelMeter, type OtelTracer, registerInOpenTelemetry, traceRenders } from './opentelemetry.js'
import { type PromRegistry, registerInPromClient } from './prometheus.js'

export interface ObserveOptions extends ObserverOptions {
  /** A `Registry` of prom-client 14 or 15, which then exports the same metrics among its own. */
  readonly registry?: PromRegistry
  /** A `Meter` of `@opentelemetry/api` 1: the same metrics as observable instruments, render times as a histogram. */
  readonly meter?: OtelMeter
  /** A `Tracer` of `@opentelemetry/api` 1: a span for each render. Its attributes have the key; metrics never do. */
  readonly tracer?: OtelTracer
}

/**
 * Counts what `cache` and `invalidator` do, from now on until `close()`. Throws what the registry throws for
 * names that are taken: two caches of one process want a registry each.
 *
 * @example
 * const observer = observe({ cache })
 * await cache.getOrRender('hello.html', () => 'hello')
 * const text = await observer.prometheus()
 * text.includes('pagekeep_misses_total 1') // => true
 * observer.close()
 */
export function observe(options: ObserveOptions): Observer {
  const { cache, registry, meter, tracer } = options
  if (typeof cache?.on !== 'function') throw new TypeError('Expected cache to be what createCache() makes')
  const observer = new Observer(options)
  try {
    if (registry !== undefined) {
      const definitions = Object.values(observer.metrics).map(({ definition }) => definition)
      observer.whenClosed(registerInPromClient(registry, observer, definitions))
    }
    if (meter !== undefined) observer.whenClosed(registerInOpenTelemetry(meter, observer, cache))
    if (tracer !== undefined) observer.whenClosed(traceRenders(tracer, cache))
  } catch (thrown) {
    observer.close()
    throw thrown
  }
  return observer
}
