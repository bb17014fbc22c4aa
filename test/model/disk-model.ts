/**
 * The disk store as a model: renderers, evictors and the others on one directory. The options take away one
 * protection at a time; the tests show that each is needed.
 */

import type { EvictOptions, Selector } from './evict-parts.js'
import { evictOrder, evictProcess } from './evict-process.js'
import type { Model } from './explore.js'
import type { FillOptions } from './fill-parts.js'
import { fillProcess, plainFill, recordedFill, taggedFill } from './fill-process.js'
import { type CompactOptions, compactProcess, readProcess, sweepProcess, trashProcess } from './other-processes.js'
import type { Process } from './process.js'
import { World, type WorldOptions } from './world.js'

export interface DiskModelOptions extends WorldOptions {
  readonly selector: Selector
  /** Default 1. */
  readonly evictors?: number
  /** Pages have records, and a reader pairs them. */
  readonly hasRecords?: boolean
  /** Default 0: tag logs are not rewritten. */
  readonly compactors?: number
  readonly compact?: Partial<CompactOptions>
  readonly fill?: Partial<FillOptions>
  readonly evict?: Partial<EvictOptions>
}

/** `processes` first holds the renderers, then the evictors. */
export function diskModel(options: DiskModelOptions): Model & { readonly world: World } {
  const { selector, hasRecords = false, evictors = 1 } = options
  const world = new World(options, suppliesOf(options))
  // Each version of the data makes the page depend on another row, and a change evicts the row that it changed.
  const tagOf = (version: number) => version
  const isTag = selector === 'tag'
  const order = isTag ? taggedFill : hasRecords ? recordedFill : plainFill
  const renderers = Array.from({ length: options.renderers }, (_, index) =>
    fillProcess(world, index, {
      order,
      fills: options.fills,
      hasMovingDirectory: selector === 'subtree',
      holdsToken: hasRecords,
      isInterchangeable: true,
      ...(isTag && { tagOf }),
      ...options.fill,
    }),
  )
  const logs = renderers.map(({ locals }) => ({ noted: locals.log, missed: locals.missed }))
  const evict: EvictOptions = {
    selector,
    order: evictOrder[selector],
    commits: options.commits / evictors,
    hasRecords,
    hasNoLocks: options.fill?.lock === 'never',
    ...(isTag && { tagOf }),
    ...options.evict,
  }
  const processes: Process[] = [
    ...renderers.map(({ process }) => process),
    ...Array.from({ length: evictors }, (_, index) => evictProcess(world, index, evict, logs)),
    ...Array.from({ length: options.compactors ?? 0 }, (_, index) =>
      compactProcess(world, index, { runs: 1, ...options.compact }),
    ),
  ]
  if (options.suspicions > 0) processes.push(sweepProcess(world))
  if (selector === 'subtree') processes.push(trashProcess(world))
  const reader = hasRecords ? readProcess(world) : undefined
  if (reader !== undefined) processes.push(reader.process)
  return {
    world,
    plan: world.plan,
    processes,
    kills: world.kills,
    tidy: (m) => world.tidy(m),
    violation(m) {
      if (reader !== undefined && m.get(reader.isMistaken) === 1)
        return "mistaken: a page was read with another's record"
      return world.violation(m)
    },
  }
}

function suppliesOf({ selector, compactors = 0 }: DiskModelOptions) {
  if (selector === 'tag') return { directories: 1, buckets: 2 + 2 * compactors, logs: 5 }
  return { directories: selector === 'subtree' ? 5 : 1, buckets: 0, logs: 0 }
}
