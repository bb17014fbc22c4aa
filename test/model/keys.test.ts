/** Evictions of a key: whatever is interleaved, killed or wrongly suspected, no page is stale or torn. */
import { describe } from 'vitest'
import { fixedNameModel } from './fixed-name-model.js'
import { breaks, holds, isFull } from './verdicts.js'

const selector = 'key'
const bounds = { renderers: 2, fills: 1, commits: 2, kills: 1, suspicions: 1, selector } as const
// Pages lie in a directory that nothing removes; a fill is published or doomed, so its release finds no token.
const never = ['renderer: make page directory', 'renderer: unlink token']
const noLocks = [...never, 'renderer: link lock to token', 'renderer: stat lock', 'renderer: unlink lock']
const elsewhere = ['evictor: unlink lock', 'sweeper: unlink lock']

describe('a key', () => {
  holds('two renderers, with and without locks', { ...bounds, fill: { lock: 'sometimes' } }, never)
  holds('two evictors at a time', { ...bounds, evictors: 2, fill: { lock: 'never' } }, [...noLocks, ...elsewhere])
  holds('two crashes', { ...bounds, kills: 2, commits: 1, fill: { lock: 'sometimes' } }, never)
  if (isFull) {
    holds('two renderers, two fills each', { ...bounds, fills: 2, fill: { lock: 'sometimes' } }, never)
    holds('three renderers', { ...bounds, renderers: 3, fill: { lock: 'never' } }, [...noLocks, ...elsewhere])
  }
})

describe('a key, without one of the protections', () => {
  breaks('the page is unlinked before the tokens', { ...bounds, evict: { order: ['remove', 'doom'] } }, 'stale')
  breaks('no token is unlinked', { ...bounds, evict: { order: ['remove'] } }, 'stale')
  breaks(
    'the render begins before the token exists',
    {
      ...bounds,
      fill: { order: ['render', 'take lease', 'note log', 'write token', 'place page'] },
    },
    'stale',
  )
  breaks(
    'the page is placed before it is written',
    {
      ...bounds,
      fill: { order: ['take lease', 'note log', 'render', 'place page', 'write token'] },
    },
    'torn',
  )
  breaks('a fixed name', fixedNameModel({ checksInode: false }), 'torn')
  breaks('a fixed name, with a look at its inode', fixedNameModel({ checksInode: true }), 'torn')
})
