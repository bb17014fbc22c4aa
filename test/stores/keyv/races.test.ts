/**
 * P1 on a Keyv, over processes: a page whose render began before an eviction cannot be read once the
 * eviction has ended, in whatever order the operations of the processes come.
 */
import type { SelectorInput } from 'pagekeep'
import { describe, expect, test, vi } from 'vitest'
import { parseSelectors } from '../../../src/core/selector.js'
import type { Fill } from '../../../src/core/store.js'
import { type Choose, everySchedule, someSchedules, Turns } from './schedules.js'
import { type Lies, StepwiseAdapter, storeOn } from './stepwise-adapter.js'

// Thousands of orders are played.
vi.setConfig({ testTimeout: 600_000 })

const key = 'a/page.html'
const selectors: Record<string, SelectorInput> = {
  key,
  subtree: 'a/**',
  'subtree of everything': '**',
  pattern: '*/page.*',
  tag: { tag: 't' },
}

interface Play {
  readonly selector: SelectorInput
  /** Whether pages were kept, and tags evicted, before. */
  readonly isWarm: boolean
  readonly fillers: number
  readonly isTorn?: boolean
  readonly lies?: { readonly filler?: () => Lies; readonly evictor?: () => Lies }
}

class Stale extends Error {}

/** Fillers render and keep what the data is; the evictor changes the data and evicts. Throws `Stale`. */
async function play({ selector, isWarm, fillers, isTorn, lies }: Play, choose: Choose): Promise<void> {
  const records = new Map<string, string>()
  const turns = new Turns()
  let data = 'old'
  let isEvicted = false
  const reader = () => storeOn(new StepwiseAdapter(records, async () => undefined))
  const fillBy = async (store: ReturnType<typeof reader>) => {
    const fill = (await store.begin(key, { regardless: true })) as Fill
    const body = data
    await fill.publish({ body, tags: ['t'], renderBeganAtMs: 1 })
  }
  if (isWarm) {
    await fillBy(reader())
    await reader().evict(parseSelectors([{ tag: 't' }, { tag: 'other' }]))
    await fillBy(reader())
  }
  const party = (name: string, told?: Lies) =>
    storeOn(new StepwiseAdapter(records, () => turns.take(name), told, isTorn))
  const parties: Record<string, () => Promise<void>> = {
    async evictor() {
      const told = lies?.evictor?.()
      const store = party('evictor', told)
      await turns.take('evictor')
      data = 'new'
      expect((await store.evict(parseSelectors(selector))).failures).toEqual([])
      for (const [name, value] of told?.later ?? []) {
        await turns.take('evictor')
        records.set(name, value)
      }
      isEvicted = true
    },
  }
  for (let count = 0; count < fillers; count++) {
    parties[`filler ${count}`] = () => fillBy(party(`filler ${count}`, lies?.filler?.()))
  }
  await turns.play(parties, choose, async () => {
    if (isEvicted && (await reader().get(key))?.body === 'old') throw new Stale()
  })
  // What is kept after all of it is kept: nothing dooms for ever.
  await fillBy(reader())
  expect((await reader().get(key))?.body).toBe('new')
}

describe('KeyvStore evict() and publish() in two processes leave no stale page', () => {
  test.each(Object.entries(selectors))('by %s, in every order, where pages were before', async (_kind, selector) => {
    const count = await everySchedule((choose) => play({ selector, isWarm: true, fillers: 1 }, choose))
    expect(count).toBeGreaterThan(50)
  })

  test.each(Object.entries(selectors))('by %s, in 500 orders, in an empty Keyv', async (_kind, selector) => {
    await someSchedules(500, (choose) => play({ selector, isWarm: false, fillers: 1 }, choose))
  })

  test.each(Object.entries(selectors))(
    'by %s, in 500 orders, with two fillers and torn reads',
    async (_kind, selector) => {
      await someSchedules(250, (choose) => play({ selector, isWarm: true, fillers: 2, isTorn: true }, choose))
      await someSchedules(250, (choose) => play({ selector, isWarm: false, fillers: 2, isTorn: true }, choose))
    },
  )
})

const nameIn = (prefixed: string) => prefixed.slice('n:'.length)
const isMark = (name: string) => name === 'n:g' || nameIn(name).startsWith('b/')

/** Sees each mark as it was when first read: a fill that does not check its tags at publish. */
function seesNoNewMarks(): Lies {
  const first = new Map<string, string | undefined>()
  return {
    get(name, honest) {
      if (!isMark(name)) return honest
      if (!first.has(name) || first.get(name) === undefined) first.set(name, honest)
      return first.get(name)
    },
  }
}

/** Believes what it wrote under these names, while nothing is written: an eviction without that step. */
function writesNothing(isConcerned: (name: string) => boolean): () => Lies {
  return () => {
    const believed = new Map<string, string>()
    return {
      get: (name, honest) => believed.get(name) ?? honest,
      set(name, value) {
        if (!isConcerned(name)) return false
        believed.set(name, value)
        return true
      },
    }
  }
}

/** Writes the marks only when the rest of the eviction is done. */
function writesMarksLast(): Lies {
  const later: [string, string][] = []
  return {
    later,
    get: (name, honest) => later.findLast(([held]) => held === name)?.[1] ?? honest,
    set(name, value) {
      if (isMark(name)) later.push([name, value])
      return isMark(name)
    },
  }
}

describe('the races find a protocol that lacks', () => {
  const controls: Record<string, Play> = {
    'the stamp of the key': {
      selector: key,
      isWarm: true,
      fillers: 1,
      lies: { evictor: writesNothing((n) => n.startsWith('n:k/')) },
    },
    'the stamp of the directory': {
      selector: 'a/**',
      isWarm: true,
      fillers: 1,
      lies: { evictor: writesNothing((name) => name.startsWith('n:d/')) },
    },
    'the stamp of the tag': {
      selector: { tag: 't' },
      isWarm: true,
      fillers: 1,
      lies: { evictor: writesNothing((name) => name.startsWith('n:t/')) },
    },
    'the marks of the eviction': {
      selector: { tag: 't' },
      isWarm: true,
      fillers: 1,
      lies: { evictor: writesNothing(isMark) },
    },
    'the check of marks at publish': {
      selector: { tag: 't' },
      isWarm: true,
      fillers: 1,
      lies: { filler: seesNoNewMarks },
    },
    'the order "marks, then the tag" in an eviction': {
      selector: { tag: 't' },
      isWarm: true,
      fillers: 1,
      lies: { evictor: writesMarksLast },
    },
  }

  test.each(Object.entries(controls))('%s', async (_what, broken) => {
    await expect(someSchedules(5000, (choose) => play(broken, choose))).rejects.toThrow(Stale)
  })
})
