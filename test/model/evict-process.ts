/**
 * A process that changes the data and then evicts; again from the beginning when it was killed: the queue forgets
 * a change only when its eviction has returned.
 */
import {
  type EvictContext,
  type EvictLocals,
  type EvictOptions,
  type EvictPart,
  evictParts,
  type Selector,
} from './evict-parts.js'
import type { Memory } from './memory.js'
import { Process, type Step } from './process.js'
import type { World } from './world.js'

/** The orders of the disk store. */
export const evictOrder: Readonly<Record<Selector, readonly EvictPart[]>> = {
  key: ['doom', 'remove'],
  subtree: ['doom', 'remove'],
  pattern: ['doom', 'remove'],
  tag: ['log tag', 'find keys', 'doom', 'remove'],
}

/** `logs`: what each renderer has noted of the eviction log. */
export function evictProcess(world: World, index: number, options: EvictOptions, logs: EvictContext['logs']): Process {
  const { plan } = world
  const name = `evictor ${index + 1}`
  const of = (what: string) => `${what} of ${name}`
  const locals: EvictLocals = {
    version: plan.cell(of('version')),
    commits: plan.cell(of('commits')),
    list: world.listing(of('tokens listed')),
    hasUnlinked: plan.cell(of('has unlinked')),
    isFound: plan.cell(of('key found')),
    log: world.holdLog(of('open log')),
    bucket: world.holdBucket(of('open bucket')),
    parts: world.parts.map((_, at) => plan.cell(of(`listed part ${at}`))),
    unread: plan.cell(of('unread parts')),
  }
  const forget = (m: Memory) => {
    const { version: _version, commits: _commits, parts: listed, ...rest } = locals
    for (const cell of [...Object.values(rest), ...listed]) m.set(cell, 0)
  }
  const context: EvictContext = { world, locals, options, logs }
  const commit: Step = {
    name: 'commit',
    at: 'commit',
    run: (m) => {
      m.set(world.version, m.get(world.version) + 1)
      m.set(locals.version, m.get(world.version))
      m.set(locals.commits, m.get(locals.commits) + 1)
    },
  }
  const acknowledge: Step = {
    name: 'acknowledge',
    at: 'acknowledge',
    run: (m) => {
      m.set(world.acknowledged, Math.max(m.get(world.acknowledged), m.get(locals.version)))
      m.set(locals.version, 0)
      forget(m)
      return m.get(locals.commits) < options.commits ? 'commit' : 'end'
    },
  }
  const [first, ...others] = options.order.map((part) => evictParts[part](context))
  const begin =
    first?.map((step, index) => (index === 0 ? { ...step, at: ['evict', step.at ?? []].flat() } : step)) ?? []
  return new Process(plan, {
    name,
    parts: [[commit], begin, ...others, [acknowledge]],
    killed: (m) => {
      forget(m)
      return m.get(locals.version) === 0 ? 'commit' : 'evict'
    },
  })
}
