/** Reads Prometheus' text format, strictly: what a scraper would refuse throws here. */

export interface Exposition {
  /** Each metric's type. */
  readonly types: ReadonlyMap<string, string>
  /** Names of series, those of histograms with their suffixes, and the labels they have. */
  readonly series: readonly {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    value: number
  }[]
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
}

export function readExposition(text: string): Exposition {
  const types = new Map<string, string>()
  const series: { name: string; labels: Record<string, string>; value: number }[] = []
  if (!text.endsWith('\n')) throw new Error('The text does not end with a line feed')
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/.exec(line)
    if (type !== null) {
      if (types.has(type[1] ?? '')) throw new Error(`Two families are called ${type[1]}`)
      types.set(type[1] ?? '', type[2] ?? '')
      continue
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (sample === null) throw new Error(`This is no sample: ${line}`)
    const [, name = '', inner = '', number = ''] = sample
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')
    if (!types.has(family)) throw new Error(`${name} has no TYPE`)
    const labels: Record<string, string> = {}
    const rest = inner.replaceAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)",?/g, (_, label: string, value: string) => {
      labels[label] = value.replaceAll(/\\(.)/g, (_all, escaped) => (escaped === 'n' ? '\n' : escaped))
      return ''
    })
    if (rest !== '') throw new Error(`These are no labels: ${inner}`)
    const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number)
    if (Number.isNaN(value)) throw new Error(`This is no number: ${line}`)
    series.push({ name, labels, value })
  }
  const value: Exposition['value'] = (name, labels = {}) =>
    series.find((one) => one.name === name && Object.entries(labels).every(([key, text]) => one.labels[key] === text))
      ?.value
  return { types, series, value }
}
