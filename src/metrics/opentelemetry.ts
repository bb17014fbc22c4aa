/**
 * The same numbers for OpenTelemetry, through the meter and tracer that the app hands in; the types here are the
 * part of `@opentelemetry/api` 1 that is used, so that nobody needs the package who does not use it.
 *
 * Names stay those of Prometheus, so that one dashboard serves both. Counters and gauges are observable
 * instruments, read in one batch when the SDK collects; render times are recorded as they come.
 */

import { renderBounds } from './metric-list.js'
import type { ObservedCache } from './observed.js'
import type { Observer } from './observer.js'

type Attributes = Readonly<Record<string, string | number>>

interface InstrumentOptions {
  description?: string
  unit?: string
  advice?: { explicitBucketBoundaries?: number[] }
}

// biome-ignore lint/suspicious/noExplicitAny: an instrument is only handed back to the meter that made it
type Instrument = any

export interface OtelMeter {
  createHistogram(name: string, options?: InstrumentOptions): { record(value: number, attributes?: Attributes): void }
  createObservableCounter(name: string, options?: InstrumentOptions): Instrument
  createObservableGauge(name: string, options?: InstrumentOptions): Instrument
  addBatchObservableCallback(callback: (result: OtelBatch) => void | Promise<void>, instruments: Instrument[]): void
  removeBatchObservableCallback(callback: (result: OtelBatch) => void | Promise<void>, instruments: Instrument[]): void
}

interface OtelBatch {
  observe(instrument: Instrument, value: number, attributes?: Attributes): void
}

export interface OtelTracer {
  startSpan(name: string, options?: { attributes?: Attributes; startTime?: number }): OtelSpan
}

interface OtelSpan {
  // biome-ignore lint/suspicious/noExplicitAny: a span answers with itself
  setAttribute(name: string, value: string | number): any
  // biome-ignore lint/suspicious/noExplicitAny: a span answers with itself
  setStatus(status: { code: number; message?: string }): any
  end(endTime?: number): void
}

/** `SpanStatusCode.ERROR`. */
const errorStatus = 2

export function registerInOpenTelemetry(meter: OtelMeter, observer: Observer, cache: ObservedCache): () => void {
  const instruments = new Map<string, Instrument>()
  let record: (seconds: number) => void = () => undefined
  for (const { definition } of Object.values(observer.metrics)) {
    const { name, type, help } = definition
    const unit = /_seconds(_total)?$/.test(name) ? 's' : name.endsWith('_bytes') ? 'By' : '1'
    const options = { description: help, unit }
    if (type === 'histogram') {
      const histogram = meter.createHistogram(name, {
        ...options,
        advice: { explicitBucketBoundaries: [...renderBounds] },
      })
      record = (seconds) => histogram.record(seconds)
    } else {
      const make = type === 'counter' ? 'createObservableCounter' : 'createObservableGauge'
      instruments.set(name, meter[make](name, options))
    }
  }
  const read = async (result: OtelBatch) => {
    for (const { name, samples } of await observer.collect()) {
      const instrument = instruments.get(name)
      if (instrument === undefined) continue
      for (const { value, labels } of samples) result.observe(instrument, value, labels)
    }
  }
  const all = [...instruments.values()]
  meter.addBatchObservableCallback(read, all)
  const off = cache.on('renderEnded', ({ tookMs }) => record(tookMs / 1000))
  return () => {
    off()
    meter.removeBatchObservableCallback(read, all)
  }
}

/**
 * A span `pagekeep.render` for each render, below whatever span the caller is in. Spans that the render opens
 * itself are its siblings: an event cannot make it the active one.
 */
export function traceRenders(tracer: OtelTracer, cache: ObservedCache): () => void {
  const spans = new Map<number, OtelSpan>()
  const offs = [
    cache.on('renderBegan', ({ key, id }) => {
      spans.set(id, tracer.startSpan('pagekeep.render', { attributes: { 'pagekeep.key': key } }))
    }),
    cache.on('renderEnded', ({ id, outcome }) => {
      const span = spans.get(id)
      spans.delete(id)
      span?.setAttribute('pagekeep.outcome', outcome)
      if (outcome === 'failed') span?.setStatus({ code: errorStatus, message: 'the render failed' })
      span?.end()
    }),
  ]
  return () => {
    for (const off of offs) off()
    for (const span of spans.values()) span.end()
    spans.clear()
  }
}
