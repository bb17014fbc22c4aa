/** The contract itself: it finds what is wrong with a naive store, and says why a test does not apply. */
import { MemoryStore } from 'pagekeep/stores/memory'
import { type StoreContractOptions, storeContract } from 'pagekeep/testing'
import { describe, expect, it } from 'vitest'
import { createNaive } from './naive-store.js'

type Body = (context?: { skip?(reason?: string): unknown }) => Promise<void>

/** The contract's tests as a runner gets them, by title. */
function testsOf(name: string, options: StoreContractOptions): Map<string, Body> {
  const tests = new Map<string, Body>()
  const runner = {
    describe: (_: string, body: () => void) => body(),
    it: (title: string, body: Body) => tests.set(title, body),
  }
  storeContract(runner, name, options)
  return tests
}

const memory = { create: () => ({ store: new MemoryStore() }) }

describe('storeContract() fails a naive store:', () => {
  const faults: Readonly<Record<string, RegExp>> = {
    'a page whose writer died half-way is none, and its key can be kept again': /expected no page/,
    'a page whose replacement was being written when its writer died is the old one or none': /from before or none/,
    'a page of bytes, or one that expires, that was cut short is none': /expected no page/,
    'a page of text that was cut short is none': /expected no page/,
    'a page of text of which nothing is left is none': /expected no page/,
    'a lock that a dead process left holds nobody up': /getOrRender\(\) answers/,
    'an eviction by key during the render keeps the page out': /doomed/,
    'all others are answered when the process that renders is killed half-way': /process (does "(ask|finish)"|renders)/,
    'an eviction in another process during a render keeps the page out, and later callers get a newer one':
      /evicted by "a\/b\/page.html"/,
    'a process that can open no more files (EMFILE) answers every page, and believes no eviction done that is not':
      /a page that was evicted by/,
  }
  const tests = testsOf('NaiveStore', { create: createNaive, patienceMs: 1500 })

  it.each(Object.entries(faults))('%s', async (title, message) => {
    await expect(tests.get(title)?.()).rejects.toThrow(message)
  })
})

describe('storeContract()', () => {
  it('skips, with the reason, what a store cannot do and what cannot be done to it', async () => {
    const reasons = new Set<string>()
    for (const [, body] of testsOf('MemoryStore', memory)) {
      await body({ skip: (reason = '') => reasons.add(reason.replace('Does not apply to MemoryStore: ', '')) })
    }
    expect([...reasons].sort()).toEqual([
      'its capability isSharedByProcesses is false',
      'its create() gives no "another"',
      'its create() gives no "leaveLock"',
      'its create() gives no "process"',
      'its create() gives no "tearWrite"',
      'its create() gives no "truncate"',
    ])
  })

  it('leaves out what a store is exempted from', () => {
    const title = 'a page of text that was cut short is none'
    expect(testsOf('MemoryStore', memory).has(title)).toBe(true)
    expect(testsOf('MemoryStore', { ...memory, exempt: { [title]: 'no text here' } }).has(title)).toBe(false)
  })

  it('throws for an exemption without a reason, or from a test that does not exist', () => {
    const exempting = (exempt: Record<string, string>) => () => testsOf('MemoryStore', { ...memory, exempt })
    expect(exempting({ 'no such test': 'because' })).toThrow('The contract has no test "no such test"')
    expect(exempting({ 'a page of text that was cut short is none': ' ' })).toThrow('needs a reason')
  })
})
