/**
 * Whether a config is one: every name known, every value of its kind. All problems are found at once, each with
 * its path, so that whoever mends the file need not run it ten times.
 */
import { reasonOf } from '../../core/errors.js'
import { Route, route } from '../../core/route.js'
import {
  bridge,
  evictRoute,
  evictTag,
  type FeedRule,
  type ListenForOptions,
  rule,
  watch,
} from '../../invalidators/postgres/index.js'
import { didYouMean } from '../../invalidators/postgres/nearest-name.js'
import { Rule } from '../../invalidators/postgres/rules.js'
import type { BridgeData, EvictData, PagekeepConfig, QueueData, WatchData } from './define-config.js'

/** A config with rules and routes made of what was data. */
export interface CheckedConfig extends Omit<PagekeepConfig, 'rules' | 'routes' | 'queues'> {
  readonly rules: readonly FeedRule[]
  readonly routes: readonly Route[]
  readonly queues: { readonly rules: readonly Rule[]; readonly listenFor?: ListenForOptions | false } | undefined
}

export interface Problem {
  /** `store.directory`; empty for the whole. */
  readonly path: string
  readonly message: string
}

type Check = (value: unknown, path: string, report: (path: string, message: string) => void) => void

export function checkConfig(value: unknown): { readonly config: CheckedConfig; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const report = (path: string, message: string) => problems.push({ path, message })
  shape(value, '', report)
  const given = (problems.length === 0 ? value : {}) as PagekeepConfig
  const make = <In, Out>(list: readonly In[], path: string, one: (data: In) => Out): Out[] =>
    list.flatMap((data, index) => {
      try {
        return [one(data)]
      } catch (thrown) {
        report(`${path}[${index}]`, reasonOf(thrown))
        return []
      }
    })
  const { rules = [], routes = [], queues, ...rest } = given
  const config: CheckedConfig = {
    ...rest,
    rules: make(rules, 'rules', ruleOf),
    routes: make(routes, 'routes', (data) => (typeof data === 'string' ? route(data) : data)),
    queues: queues && {
      ...(queues.listenFor !== undefined && { listenFor: queues.listenFor }),
      rules: make(queues.rules, 'queues.rules', queueRuleOf),
    },
  }
  return { config, problems }
}

function ruleOf(data: FeedRule | WatchData | BridgeData): FeedRule {
  if ('kind' in data) return data
  const evicts = data.evicts.map(entryOf)
  if ('watch' in data) {
    const { watch: table, ...rest } = data
    return watch({ ...rest, table, evicts })
  }
  const { bridge: table, ...rest } = data
  return bridge({ ...rest, table, evicts })
}

function entryOf(data: EvictData) {
  if ('route' in data) return evictRoute(route(data.route), data.columns ?? {})
  return evictTag(data.tag, data.all === undefined ? {} : { all: data.all })
}

function queueRuleOf(data: Rule | QueueData): Rule {
  if (!('evicts' in data)) return data
  const { channel, queue: table, id, evicts } = data
  const entries = evicts.map(entryOf)
  const columns = [...new Set(evicts.flatMap((entry) => columnsOf(entry)))]
  const evict = (row: Readonly<Record<string, string>>) =>
    entries.map((entry, index) => {
      const written = evicts[index]
      if (entry.kind === 'tag') {
        return { tag: entry.parts.map((part) => (typeof part === 'string' ? part : row[part.column])).join('') }
      }
      const values = Object.entries(entry.columns).map(([name, column]) => [name, row[column]])
      return route((written as { route: string }).route).pattern(Object.fromEntries(values))
    })
  if (table === undefined) return rule({ channel, evict: () => evict({}) })
  return rule({ channel, queue: { table, columns, ...(id !== undefined && { id }) }, evict })
}

function columnsOf(entry: EvictData): string[] {
  if ('route' in entry) return Object.values(entry.columns ?? {})
  return [...entry.tag.matchAll(/\{([^{}]+)\}/g)].map(([, column = '']) => column)
}

const kindOf = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'string'
        ? JSON.stringify(value)
        : typeof value

const text: Check = (value, path, report) => {
  if (typeof value !== 'string' || value === '') report(path, `expected a text, got ${kindOf(value)}`)
}
const flag: Check = (value, path, report) => {
  if (typeof value !== 'boolean') report(path, `expected true or false, got ${kindOf(value)}`)
}
const count: Check = (value, path, report) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    report(path, `expected a whole number, got ${kindOf(value)}`)
}
const positive: Check = (value, path, report) => {
  if (!Number.isSafeInteger(value) || (value as number) < 1)
    report(path, `expected a whole number, 1 or more, got ${kindOf(value)}`)
}
const method: Check = (value, path, report) => {
  if (typeof value !== 'function') report(path, `expected a function, got ${kindOf(value)}`)
}
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const any: Check = () => {}

const oneOf =
  (...words: readonly string[]): Check =>
  (value, path, report) => {
    if (words.includes(value as string)) return
    const nearest = typeof value === 'string' ? didYouMean(value, words) : ''
    report(path, `expected one of ${words.map((word) => `"${word}"`).join(', ')}, got ${kindOf(value)}${nearest}`)
  }

const list =
  (one: Check): Check =>
  (value, path, report) => {
    if (!Array.isArray(value)) return report(path, `expected a list, got ${kindOf(value)}`)
    for (const [index, item] of value.entries()) one(item, `${path}[${index}]`, report)
  }

const fields =
  (known: Readonly<Record<string, Check>>, required: readonly string[] = []): Check =>
  (value, path, report) => {
    if (!isObject(value)) return report(path, `expected an object, got ${kindOf(value)}`)
    const place = (name: string) => (path === '' ? name : `${path}.${name}`)
    for (const [name, item] of Object.entries(value)) {
      const check = Object.hasOwn(known, name) ? known[name] : undefined
      if (check === undefined) {
        report(place(name), `there is no option "${name}"${didYouMean(name, Object.keys(known))}`)
      } else if (item !== undefined) check(item, place(name), report)
    }
    for (const name of required) {
      if (value[name] === undefined) report(path, `the option "${name}" is missing`)
    }
  }

const textOrFields: Check = (value, path, report) => {
  if (typeof value !== 'string' && !isObject(value)) report(path, `expected a text or an object, got ${kindOf(value)}`)
}
const record: Check = (value, path, report) => {
  if (!isObject(value)) return report(path, `expected an object, got ${kindOf(value)}`)
  for (const [name, item] of Object.entries(value)) text(item, `${path}.${name}`, report)
}
const evictShapes = [
  ['route', fields({ route: text, columns: record })],
  ['tag', fields({ tag: text, all: text })],
] as const
const evict: Check = (value, path, report) => {
  const found = evictShapes.find(([name]) => isObject(value) && name in value)
  if (found === undefined) report(path, 'expected { route } or { tag }')
  else found[1](value, path, report)
}
const watchData = fields({ watch: text, columns: list(text), evicts: list(evict), maxSelectors: count }, [
  'columns',
  'evicts',
])
const bridgeData = fields({ bridge: text, evicts: list(evict), rows: oneOf('delete', 'keep'), maxSelectors: count }, [
  'evicts',
])
const feedRule: Check = (value, path, report) => {
  if (isObject(value) && 'kind' in value && 'evicts' in value) return
  if (isObject(value) && 'watch' in value) return watchData(value, path, report)
  if (isObject(value) && 'bridge' in value) return bridgeData(value, path, report)
  report(path, 'expected what watch() or bridge() makes, or { watch } or { bridge }')
}
const queueData = fields({ channel: text, queue: text, id: text, evicts: list(evict) }, ['channel', 'evicts'])
const queueRule: Check = (value, path, report) => {
  if (value instanceof Rule || (isObject(value) && value.constructor?.name === 'Rule')) return
  queueData(value, path, report)
}
const aRoute: Check = (value, path, report) => {
  if (value instanceof Route || (isObject(value) && value.constructor?.name === 'Route')) return
  text(value, path, report)
}
const listenFor: Check = (value, path, report) => {
  if (value !== false) fields({ table: text, column: text })(value, path, report)
}
const health: Check = (value, path, report) => {
  if (typeof value !== 'number') text(value, path, report)
}

const shape = fields({
  $schema: any,
  connection: textOrFields,
  schema: text,
  store: fields({
    directory: text,
    mayEmptyDirectory: flag,
    trustsRestarts: flag,
    fileMode: count,
    directoryMode: count,
    hotBytes: count,
    io: oneOf('sync', 'async'),
    coding: oneOf('identity', 'gzip', 'br'),
    maxBytes: count,
    maxFiles: count,
    minFreeBytes: count,
  }),
  routes: list(aRoute),
  rules: list(feedRule),
  queues: fields({ rules: list(queueRule), listenFor }, ['rules']),
  maxLagMs: positive,
  listen: fields({
    node: text,
    pidFile: text,
    health,
    healthFile: text,
    switch: text,
    log: oneOf('text', 'json'),
    logLevel: oneOf('debug', 'info', 'warn', 'error'),
  }),
  site: fields({ url: text, address: method, verifyHeaders: record, render: method, normalise: method }),
  unwatched: list(text),
})
