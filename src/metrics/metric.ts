/**
 * The three kinds of numbers: counters only rise, gauges are what is now, histograms count by size. Each keeps
 * one number a set of labels, and knows nothing of what it counts or of who asks.
 *
 * Labels never have the value of a key, a tag or a selector, and a family stops growing at `maxSeries`: what
 * comes later counts as `other`, so that no mistake fills the memory of whoever scrapes.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram'
export type Labels = Readonly<Record<string, string>>

/** One number, as it is written: a histogram is several, with suffixes to the name. */
export interface Sample {
  readonly name: string
  readonly labels: Labels
  readonly value: number
}

/** A name, what it means, and its numbers. */
export interface MetricFamily {
  readonly name: string
  readonly type: MetricType
  readonly help: string
  readonly samples: readonly Sample[]
}

/** What a family is called and how it is told apart. */
export interface MetricDefinition {
  readonly name: string
  readonly type: MetricType
  readonly help: string
  readonly labels: readonly string[]
}

/** The most sets of labels in one family. */
export const maxSeries = 200
const other = 'other'

abstract class Family<Series> {
  readonly definition: MetricDefinition
  readonly #series = new Map<string, { readonly values: readonly string[]; readonly series: Series }>()

  constructor(definition: MetricDefinition) {
    this.definition = definition
  }

  protected abstract create(): Series
  protected abstract samplesOf(series: Series, labels: Labels): Sample[]

  /** The series of these values, in the order of the definition's labels. Keep it where it is used often. */
  at(...values: readonly string[]): Series {
    const found = this.#series.get(values.join('\u0000'))
    if (found !== undefined) return found.series
    const kept = this.#series.size < maxSeries ? values : values.map(() => other)
    const name = kept.join('\u0000')
    const entry = this.#series.get(name) ?? { values: kept, series: this.create() }
    this.#series.set(name, entry)
    return entry.series
  }

  /** Forgets every series: for gauges of things that come and go. */
  clear(): void {
    this.#series.clear()
  }

  collect(): MetricFamily {
    const { name, type, help, labels } = this.definition
    const samples = [...this.#series.values()].flatMap(({ values, series }) =>
      this.samplesOf(series, Object.fromEntries(labels.map((label, at) => [label, values[at] ?? '']))),
    )
    return { name, type, help, samples }
  }
}

/** A number that is counted up or set. */
export interface Cell {
  value: number
}

/** Counters and gauges. A gauge that is `NaN` is not known now, and is left out. */
export class Numbers extends Family<Cell> {
  /** The sum over all labels. */
  get total(): number {
    return this.collect().samples.reduce((sum, { value }) => sum + value, 0)
  }

  protected create(): Cell {
    return { value: this.definition.type === 'gauge' ? Number.NaN : 0 }
  }

  protected samplesOf({ value }: Cell, labels: Labels): Sample[] {
    return Number.isNaN(value) ? [] : [{ name: this.definition.name, labels, value }]
  }
}

interface Distribution {
  readonly counts: number[]
  sum: number
  count: number
}

export class Histogram extends Family<Distribution> {
  readonly bounds: readonly number[]

  /** `bounds`: the upper ends of the buckets, rising, without infinity. */
  constructor(definition: MetricDefinition, bounds: readonly number[]) {
    super(definition)
    this.bounds = bounds
  }

  observe(value: number, ...labels: readonly string[]): void {
    const series = this.at(...labels)
    series.sum += value
    series.count++
    const bucket = this.bounds.findIndex((bound) => value <= bound)
    if (bucket !== -1) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
  }

  protected create(): Distribution {
    return { counts: this.bounds.map(() => 0), sum: 0, count: 0 }
  }

  protected samplesOf({ counts, sum, count }: Distribution, labels: Labels): Sample[] {
    const { name } = this.definition
    let below = 0
    const buckets = this.bounds.map((bound, at) => {
      below += counts[at] ?? 0
      return { name: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: below }
    })
    return [
      ...buckets,
      { name: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
      { name: `${name}_sum`, labels, value: sum },
      { name: `${name}_count`, labels, value: count },
    ]
  }
}
