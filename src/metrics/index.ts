/** `pagekeep/metrics`: a cache and its invalidator in numbers, for Prometheus, prom-client and OpenTelemetry. */
export type { Labels, MetricDefinition, MetricFamily, MetricType, Sample } from './metric.js'
export { createMetrics, type Metrics } from './metric-list.js'
export { type ObserveOptions, observe } from './observe.js'
export type { ObservedCache, ObservedInvalidator, ObservedRule, ObservedStatus } from './observed.js'
export type { ObservedEviction, Observer, Usage } from './observer.js'
export type { OtelMeter, OtelTracer } from './opentelemetry.js'
export { type PromRegistry, prometheusContentType } from './prometheus.js'
