/** What examples/grafana asks Prometheus for is what pagekeep exports: names, labels, and values of labels. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errorCodes } from 'pagekeep'
import { createMetrics } from 'pagekeep/metrics'
import { describe, expect, it } from 'vitest'

const folder = path.resolve(import.meta.dirname, '../../examples/grafana')
const alerts = readFileSync(path.join(folder, 'alerts.yml'), 'utf8')
const dashboard = JSON.parse(readFileSync(path.join(folder, 'dashboard.json'), 'utf8')) as {
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[]
  templating: { list: { query: string | { query: string } }[] }
}

const labelsOf = new Map<string, readonly string[]>()
for (const { definition } of Object.values(createMetrics())) {
  const { name, type, labels } = definition
  if (type !== 'histogram') labelsOf.set(name, labels)
  else for (const suffix of ['_bucket', '_sum', '_count']) labelsOf.set(name + suffix, [...labels, 'le'])
}
/** What Prometheus itself adds to each series. */
const added = ['job', 'instance']

/** What is wrong with a query; nothing when all of it is exported. */
function strangers(expr: string): string[] {
  const names = [...expr.matchAll(/\bpagekeep_\w+/g)].map(([name]) => name)
  const allowed = new Set(names.flatMap((name) => [...(labelsOf.get(name) ?? []), ...added]))
  const unknown = names.filter((name) => !labelsOf.has(name))
  const matched = [...expr.matchAll(/(pagekeep_\w+)\{([^}]*)\}/g)].flatMap(([, name = '', inner = '']) =>
    [...inner.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)]
      .map(([, label = '']) => label)
      .filter((label) => ![...(labelsOf.get(name) ?? []), ...added].includes(label))
      .map((label) => `${name}{${label}}`),
  )
  const grouped = [...expr.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)]
    .flatMap(([, list = '']) => list.split(',').map((label) => label.trim()))
    .filter((label) => !allowed.has(label))
  return [...(names.length === 0 ? ['no metric'] : []), ...unknown, ...matched, ...grouped]
}

const shownLabels = (text: string, syntax: RegExp) => [...text.matchAll(syntax)].map(([, label = '']) => label)

describe('examples/grafana/dashboard.json', () => {
  it.each(dashboard.panels)('$title asks for what is exported', ({ targets }) => {
    expect(targets.length).toBeGreaterThan(0)
    for (const { expr, legendFormat } of targets) {
      expect(strangers(expr), expr).toEqual([])
      const labels = [...expr.matchAll(/\bpagekeep_\w+/g)].flatMap(([name]) => [
        ...(labelsOf.get(name) ?? []),
        ...added,
      ])
      for (const label of shownLabels(legendFormat, /\{\{(\w+)\}\}/g)) expect(labels, legendFormat).toContain(label)
    }
  })

  it('asks for its variables by a metric that is exported', () => {
    const queries = dashboard.templating.list.map(({ query }) => (typeof query === 'string' ? query : query.query))
    const names = queries.flatMap((query) => [...query.matchAll(/\bpagekeep_\w+/g)].map(([name]) => name))
    expect(names.length).toBeGreaterThan(0)
    expect(names.filter((name) => !labelsOf.has(name))).toEqual([])
  })
})

describe('examples/grafana/alerts.yml', () => {
  const rules = alerts.split(/^ {6}- alert: /m).slice(1)
  const exprOf = (rule: string) => /^ {8}expr: (?:>-\n)?((?:.+\n)(?: {10}.+\n)*)/m.exec(rule)?.[1]?.trim() ?? ''

  it.each(rules.map((rule) => [rule.split('\n')[0], rule]))('%s asks for what is exported', (_, rule = '') => {
    const expr = exprOf(rule)
    expect(strangers(expr), expr).toEqual([])
    const labels = [...expr.matchAll(/\bpagekeep_\w+/g)].flatMap(([name]) => [...(labelsOf.get(name) ?? []), ...added])
    for (const label of shownLabels(rule, /\$labels\.(\w+)/g)) expect(labels).toContain(label)
    expect(rule).toMatch(/summary: /)
    expect(rule).toMatch(/action: /)
    for (const [, code = ''] of expr.matchAll(/code="([^"]+)"/g)) expect(errorCodes).toContain(code)
  })

  it('has an alert for each thing that must not go unseen, and the README names them all', () => {
    const names = rules.map((rule) => rule.split('\n')[0] ?? '')
    const needed = [
      'PagekeepLag',
      'PagekeepListenerGone',
      'PagekeepBlind',
      'PagekeepEvictionsFail',
      'PagekeepRuleNeverMatched',
    ]
    expect(names).toEqual(expect.arrayContaining(needed))
    const readme = readFileSync(path.join(folder, 'README.md'), 'utf8')
    expect(names.filter((name) => !readme.includes(name))).toEqual([])
  })

  it('control: a name or label that is not exported would be found', () => {
    expect(strangers('rate(pagekeep_hit_total[1m])')).toEqual(['pagekeep_hit_total'])
    expect(strangers('sum by (rulle) (pagekeep_rule_evictions_total{why="x"})')).toEqual([
      'pagekeep_rule_evictions_total{why}',
      'rulle',
    ])
  })
})
