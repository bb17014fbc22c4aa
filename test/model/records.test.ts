/** Pages with a record: a reader takes a page and a record for one only if they are. Inode numbers are used again. */
import { describe } from 'vitest'
import { breaks, holds, isFull } from './verdicts.js'

const bounds = {
  renderers: 2,
  fills: 1,
  commits: 2,
  kills: 1,
  suspicions: 0,
  hasRecords: true,
  fill: { lock: 'never' },
} as const
const locks = ['renderer: link lock to token', 'renderer: stat lock', 'renderer: unlink lock', 'renderer: unlink token']
const never = [...locks, 'evictor: unlink lock']
const still = [...never, 'renderer: make page directory']

describe('a page with a record', () => {
  holds('its key is evicted', { ...bounds, selector: 'key' }, still)
  holds('its directory is evicted', { ...bounds, commits: 1, selector: 'subtree' }, never)
  if (isFull) {
    holds('two fills each', { ...bounds, fills: 2, selector: 'key' }, still)
    holds('its directory is evicted twice', { ...bounds, selector: 'subtree' }, never)
  }
  breaks(
    'the token is closed before the record is written',
    {
      ...bounds,
      selector: 'key',
      fill: { lock: 'never', holdsToken: false },
    },
    'mistaken',
  )
})
