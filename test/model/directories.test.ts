/** Evictions of a subtree (its directory is renamed away) and of a pattern (its directory is walked). */
import { describe } from 'vitest'
import { breaks, holds, isFull } from './verdicts.js'

const bounds = { renderers: 2, fills: 1, commits: 2, kills: 1, suspicions: 1, fill: { lock: 'never' } } as const
const locks = ['renderer: link lock to token', 'renderer: stat lock', 'renderer: unlink lock', 'renderer: unlink token']
const never = [...locks, 'evictor: unlink lock', 'sweeper: unlink lock']

describe('a subtree', () => {
  const selector = 'subtree'
  holds('two renderers', { ...bounds, selector }, never)
  if (isFull) {
    holds('two renderers, two fills each', { ...bounds, selector, fills: 2 }, never)
    holds('with locks', { ...bounds, selector, fill: { lock: 'always' } }, ['renderer: unlink token'])
  }
  breaks(
    'the directory is renamed away before the tokens are unlinked',
    {
      ...bounds,
      selector,
      evict: { order: ['remove', 'doom'] },
    },
    'stale',
  )
})

describe('a pattern', () => {
  const selector = 'pattern'
  holds('two renderers', { ...bounds, selector }, [...never, 'renderer: make page directory'])
  if (isFull) {
    holds('two renderers, two fills each', { ...bounds, selector, fills: 2 }, [
      ...never,
      'renderer: make page directory',
    ])
  }
  breaks(
    'the directory is walked before the tokens are unlinked',
    {
      ...bounds,
      selector,
      evict: { order: ['remove', 'doom'] },
    },
    'stale',
  )
})
