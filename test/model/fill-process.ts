/**
 * A process that renders: `begin`, the render and `publish` of the disk store, once for each of its fills. The
 * parts are put together in an order that a variant may change.
 */

import {
  dropRecord,
  type FillContext,
  type FillLocals,
  type FillOptions,
  type FillPart,
  fillParts,
  release,
} from './fill-parts.js'
import type { Memory } from './memory.js'
import { Process } from './process.js'
import type { World } from './world.js'

/** The order of the disk store. What follows the last part is the release of the lease. */
export const plainFill: readonly FillPart[] = ['take lease', 'note log', 'render', 'write token', 'place page']
export const taggedFill: readonly FillPart[] = [
  'take lease',
  'note log',
  'render',
  'write token',
  'register tags',
  'check log',
  'place page',
]
export const recordedFill: readonly FillPart[] = [
  'take lease',
  'note log',
  'render',
  'write token',
  'write record',
  'place page',
]

export function fillProcess(
  world: World,
  index: number,
  options: FillOptions,
): { process: Process; locals: FillLocals } {
  const { plan } = world
  const name = `renderer ${index + 1}`
  const of = (what: string) => `${what} of ${name}`
  const locals: FillLocals = {
    count: plan.cell(of('fill')),
    hasLock: plan.cell(of('has lock')),
    read: plan.cell(of('read version')),
    log: world.holdLog(of('noted log')),
    missed: plan.cell(of('missed tags')),
    shown: plan.cell(of('shown tags')),
    bucket: options.isClosedBeforeVerified ? plan.cell(of('open bucket')) : world.holdBucket(of('open bucket')),
    directory: world.holdDirectory(of('resolved directory')),
    inode: world.holdInode(of('open token')),
    number: plan.cell(of('inode number')),
  }
  const fill = (m: Memory) => index * options.fills + m.get(locals.count)
  const finish = (m: Memory) => {
    const count = m.get(locals.count) + 1
    for (const cell of Object.values(locals)) m.set(cell, 0)
    m.set(locals.count, count)
    return count < options.fills ? 'begin' : 'end'
  }
  const context: FillContext = { world, locals, options, fill, finish }
  const inOrder = [...options.order.map((part) => fillParts[part](context)), dropRecord(context), release(context)]
  const process = new Process(plan, { name, parts: inOrder, killed: finish })
  if (options.isInterchangeable) world.isRenderer([process.pc, ...Object.values(locals)])
  return { process, locals }
}
