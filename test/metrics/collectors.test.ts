/** The same numbers through what apps collect with: prom-client's registry, OpenTelemetry's SDK. */
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createCache } from 'pagekeep'
import { createMetrics, observe } from 'pagekeep/metrics'
import { MemoryStore } from 'pagekeep/stores/memory'
import { Counter, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { writePrometheus } from '../../src/metrics/prometheus.js'
import { readExposition } from './read-exposition.js'

const newCache = () => createCache({ store: new MemoryStore() })

async function work(cache: ReturnType<typeof newCache>): Promise<void> {
  await cache.getOrRender('a', () => 'a')
  await cache.getOrRender('a', () => 'a')
  await cache.evict('a')
  await new Promise((resolve) => setImmediate(resolve))
}

describe('prometheus()', () => {
  it('escapes what labels and helps may contain', () => {
    const samples = [{ name: 'x_total', labels: { rule: 'a"b\\c\nd' }, value: 1 }]
    const text = writePrometheus([{ name: 'x_total', type: 'counter', help: 'one\ntwo \\', samples }])
    expect(text).toBe('# HELP x_total one\\ntwo \\\\\n# TYPE x_total counter\nx_total{rule="a\\"b\\\\c\\nd"} 1\n')
    expect(readExposition(text).value('x_total', { rule: 'a"b\\c\nd' })).toBe(1)
  })

  it('names metrics as Prometheus asks', () => {
    for (const { definition } of Object.values(createMetrics())) {
      const { name, type, help } = definition
      expect(name).toMatch(/^pagekeep_[a-z_]+$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(help).toMatch(/\.$/)
    }
  })
})

describe('observe({ registry })', () => {
  it('exports through prom-client what prometheus() writes, beside what the app has there', async () => {
    const registry = new Registry()
    new Counter({ name: 'app_requests_total', help: 'Its own.', registers: [registry] }).inc()
    const cache = newCache()
    const observer = observe({ cache, registry })
    await work(cache)
    const theirs = readExposition(await registry.metrics())
    const ours = readExposition(await observer.prometheus())
    expect(theirs.value('app_requests_total')).toBe(1)
    const ownSeries = theirs.series.filter(({ name }) => name.startsWith('pagekeep_'))
    expect(ownSeries).toEqual(ours.series)
    expect(ours.value('pagekeep_hits_total')).toBe(1)
    observer.close()
    expect(await registry.metrics()).not.toContain('pagekeep_')
  })

  it('refuses a registry that has them already, and leaves it as it was', async () => {
    const registry = new Registry()
    const first = observe({ cache: newCache(), registry })
    expect(() => observe({ cache: newCache(), registry })).toThrow(/already been registered/)
    expect(await registry.metrics()).toContain('pagekeep_hits_total')
    first.close()
  })
})

describe('observe({ meter, tracer })', () => {
  it('exports the same numbers through an OpenTelemetry meter', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
    const provider = new MeterProvider({ readers: [reader] })
    const cache = newCache()
    const observer = observe({ cache, meter: provider.getMeter('test') })
    await work(cache)
    await reader.forceFlush()
    const metrics = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
    const of = (name: string) => metrics.find(({ descriptor }) => descriptor.name === name)
    expect(of('pagekeep_hits_total')?.dataPoints[0]?.value).toBe(1)
    expect(of('pagekeep_evictions_total')?.dataPoints).toMatchObject([{ attributes: { why: 'call' }, value: 1 }])
    expect(of('pagekeep_render_duration_seconds')?.dataPoints[0]?.value).toMatchObject({ count: 1 })
    expect(of('pagekeep_render_duration_seconds')?.descriptor.unit).toBe('s')
    observer.close()
    await provider.shutdown()
  })

  it('makes a span of each render, below the span of the caller, and says which failed', async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    const cache = newCache()
    const observer = observe({ cache, tracer: provider.getTracer('test') })
    await cache.getOrRender('a', () => 'a')
    await cache.getOrRender('b', () => Promise.reject(new Error('no'))).catch(() => undefined)
    const spans = exporter.getFinishedSpans().map(({ name, attributes, status }) => [name, attributes, status.code])
    expect(spans).toEqual([
      ['pagekeep.render', { 'pagekeep.key': 'a', 'pagekeep.outcome': 'kept' }, 0],
      ['pagekeep.render', { 'pagekeep.key': 'b', 'pagekeep.outcome': 'failed' }, 2],
    ])
    observer.close()
    await provider.shutdown()
  })
})
