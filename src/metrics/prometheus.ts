/**
 * Numbers as text, in Prometheus' exposition format 0.0.4, and as metrics of a `prom-client` registry that the
 * app hands in. Neither needs a library.
 *
 * Source of the format: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import type { Labels, MetricFamily } from './metric.js'

/** What `Content-Type` such a text has. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8'

/** The text of an answer to a scrape. Families without numbers are left out. */
export function writePrometheus(families: readonly MetricFamily[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(
        (sample) => `${sample.name}${writeLabels(sample.labels)} ${writeNumber(sample.value)}\n`,
      )
      return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n${lines.join('')}`
    })
    .join('')
}

function writeLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function writeNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}

/** What is needed of a `prom-client` 14 or 15 `Registry`. */
export interface PromRegistry {
  // biome-ignore lint/suspicious/noExplicitAny: prom-client's own type of a metric is a union of its classes
  registerMetric(metric: any): void
  removeSingleMetric(name: string): void
}

export interface PromSource {
  collect(): Promise<readonly MetricFamily[]>
}

/**
 * Has `registry` ask `source` whenever it is scraped. Returns a function that ends it. Throws what the registry
 * throws for a name that is taken.
 */
export function registerInPromClient(
  registry: PromRegistry,
  source: PromSource,
  names: readonly Omit<MetricFamily, 'samples'>[],
): () => void {
  // A scrape asks metric by metric, in one turn of the event loop: one look answers them all.
  let looking: Promise<Map<string, MetricFamily>> | undefined
  const look = () => {
    looking ??= source
      .collect()
      .then((families) => new Map(families.map((family) => [family.name, family])))
      .finally(() => {
        looking = undefined
      })
    return looking
  }
  const registered: string[] = []
  const end = () => {
    for (const name of registered.splice(0)) registry.removeSingleMetric(name)
  }
  try {
    for (const { name, type, help } of names) {
      const get = async () => {
        const samples = (await look()).get(name)?.samples ?? []
        const values = samples.map((sample) => ({
          value: sample.value,
          labels: sample.labels,
          ...(sample.name !== name && { metricName: sample.name }),
        }))
        return { name, help, type, values, aggregator: 'sum' }
      }
      // The numbers are the cache's; a reset of the registry does not change them.
      registry.registerMetric({ name, help, type, aggregator: 'sum', get, reset: () => undefined })
      registered.push(name)
    }
  } catch (thrown) {
    end()
    throw thrown
  }
  return end
}
