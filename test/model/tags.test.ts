/**
 * Evictions of a tag, while tag logs are rewritten and the eviction log is renamed away. Each version of the
 * data makes the page depend on another tag, known only when it is rendered.
 */
import { describe } from 'vitest'
import type { FillPart } from './fill-parts.js'
import { breaks, holds, isFull } from './verdicts.js'

const selector = 'tag'
const noLock = { lock: 'never' } as const
const knowsLog = { lock: 'never', hasLogOpen: true } as const
const bounds = { renderers: 2, fills: 1, commits: 2, kills: 1, suspicions: 0, selector, fill: noLock } as const
const locks = ['renderer: link lock to token', 'renderer: stat lock', 'renderer: unlink lock', 'renderer: unlink token']
const never = [...locks, 'evictor: unlink lock', 'renderer: make page directory']
const named = 'renderer: rename eviction log away'
const linking = ['renderer: link eviction log', 'evictor: link eviction log']
const anyLog = [...never, 'evictor: read part']
const newLog = [...anyLog, named]
const noParts = [...newLog, ...linking]
const sameLog = [...never, named, ...linking, 'renderer: open eviction log', 'renderer: fstat eviction log']

describe('a tag', () => {
  holds('two renderers', bounds, noParts)
  const rotating = { ...bounds, evict: { mayRotate: true } }
  holds('the eviction log is renamed away', { ...rotating, commits: 1 }, newLog)
  holds('a wrong suspicion', { ...bounds, commits: 1, suspicions: 1 }, [...noParts, 'sweeper: unlink lock'])
  holds('the eviction log is not there yet', { ...bounds, commits: 1, log: 'missing' }, newLog)
  holds('the eviction log has no name yet', { ...bounds, commits: 1, log: 'unnamed' }, anyLog)
  const rewriting = { ...bounds, renderers: 1, commits: 1, compactors: 1, fill: knowsLog }
  holds('its log is rewritten', rewriting, sameLog)
  holds('its log is rewritten twice', { ...rewriting, compact: { runs: 2 } }, sameLog)
  if (isFull) {
    holds('two renderers, a wrong suspicion', { ...bounds, suspicions: 1 }, [...noParts, 'sweeper: unlink lock'])
    holds('two renderers, the eviction log is renamed away', rotating, newLog)
    holds('two renderers, the eviction log has no name yet', { ...bounds, log: 'unnamed' }, anyLog)
    holds("two processes rewrite its log, and each other's", { ...rewriting, compactors: 2 }, sameLog)
    holds('two renderers, its log is rewritten', { ...rewriting, renderers: 2 }, sameLog)
    // Of one tag: an eviction of another need not have come to an end.
    const tagOf = () => 0
    holds('two evictors at a time', { ...bounds, evictors: 2, fill: { ...noLock, tagOf }, evict: { tagOf } }, noParts)
  }
})

describe('a tag whose eviction cannot be logged', () => {
  const unlogged = { ...bounds, commits: 1 }
  holds(
    'all fills are doomed, then the keys are read',
    {
      ...unlogged,
      evict: { order: ['doom all', 'find keys', 'doom', 'remove'] },
    },
    [...noParts, 'renderer: read eviction log'],
  )
  breaks(
    'the keys are read, then all fills are doomed',
    {
      ...unlogged,
      evict: { order: ['find keys', 'doom all', 'remove'] },
    },
    'stale',
  )
})

describe('a tag, without one of the protections', () => {
  const order = (...last: FillPart[]) => ({ ...bounds, fill: { ...noLock, order: ['take lease', ...last] as const } })
  breaks(
    'the tags are registered after the check',
    order('note log', 'render', 'write token', 'check log', 'register tags', 'place page'),
    'stale',
  )
  breaks('the log is not checked', order('note log', 'render', 'write token', 'register tags', 'place page'), 'stale')
  breaks(
    'the length of the log is noted after the render',
    order('render', 'note log', 'write token', 'register tags', 'check log', 'place page'),
    'stale',
  )
  breaks(
    'the log is written after the keys are read',
    {
      ...bounds,
      evict: { order: ['find keys', 'log tag', 'doom', 'remove'] },
    },
    'stale',
  )
  breaks(
    'the page is unlinked before the tokens',
    {
      ...bounds,
      evict: { order: ['log tag', 'find keys', 'remove', 'doom'] },
    },
    'stale',
  )
  breaks('the tag log is taken by an evictor who is killed', { ...bounds, evict: { takesBucket: true } }, 'stale')

  const rewriting = { ...bounds, renderers: 1, kills: 0, commits: 1, compactors: 1, fill: knowsLog }
  breaks('an append is not verified', { ...rewriting, fill: { ...knowsLog, isUnverified: true } }, 'stale')
  breaks('a rewriter asks for the page before the token', { ...rewriting, compact: { asksPageFirst: true } }, 'stale')
  breaks('the tag log is read once', { ...rewriting, compactors: 2, evict: { readsOnce: true } }, 'stale')
  breaks('the parts are read after the tag log', { ...rewriting, evict: { readsPartsLast: true } }, 'stale')
  breaks(
    'a tag log that is not there is not made by its reader',
    {
      ...rewriting,
      compact: { runs: 2 },
      evict: { makesNoBucket: true },
    },
    'stale',
  )
  breaks(
    'an appended tag log is closed before it is verified',
    {
      ...rewriting,
      compact: { runs: 2 },
      fill: { ...knowsLog, isClosedBeforeVerified: true },
    },
    'stale',
  )
})
