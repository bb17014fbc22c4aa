/** Evictions of a key: whatever is interleaved, killed or wrongly suspected, no page is stale or torn. */
import { describe, expect, it } from 'vitest'
import { diskModel } from './disk-model.js'
import { explore } from './explore.js'
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
    const twice = { ...bounds, fills: 2 }
    holds('two renderers, two fills each', { ...twice, fill: { lock: 'never' } }, [...noLocks, ...elsewhere])
    holds('two renderers, two fills each, with locks', { ...twice, suspicions: 0, fill: { lock: 'always' } }, never)
    holds('three renderers', { ...bounds, renderers: 3, fill: { lock: 'never' } }, [...noLocks, ...elsewhere])
  }
})

it('explore() finds a violation too when renderers are taken for one another', () => {
  const isInterchangeable = true
  const { violation } = explore(diskModel({ ...bounds, fill: { isInterchangeable }, evict: { order: ['remove'] } }))
  expect(violation?.reason).toMatch(/^stale/)
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
